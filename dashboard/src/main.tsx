import { render } from 'preact'
render(<p>jobferry</p>, document.getElementById('page') ?? document.body)
