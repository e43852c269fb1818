import { render } from 'preact'

import './css/index.css'
import { App } from './app.tsx'
import { readSession } from './session.ts'

const page = document.getElementById('page')
if (page !== null) render(<App />, page)
void readSession()
