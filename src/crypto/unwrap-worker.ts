import { unwrap } from './unwrap.ts'

/** The function that the worker threads run. */
export default unwrap
