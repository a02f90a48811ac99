import { unwrap } from './unwrap.ts'

/** What the threads of the pool run. */
export default unwrap
