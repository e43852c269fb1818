import { graphileWorker } from './graphile-worker.ts'

/** graphile-worker as it comes. */
export default graphileWorker('graphile-worker-defaults', {})
