import type { Command } from './command.ts'
import { completionOf } from './completion.ts'
import { explain } from './explain.ts'
import { key } from './key.ts'
import { keygen } from './keygen.ts'
import { listen } from './listen.ts'
import { receive } from './receive.ts'
import { replay } from './replay.ts'
import { send } from './send.ts'
import { serve } from './serve.ts'
import { simulate } from './simulate.ts'
import { store } from './store.ts'

const commands: readonly Command[] = [keygen, key, serve, send, explain, simulate, receive, listen, replay, store]

/** All commands, in the order of the help. */
export const COMMANDS: readonly Command[] = [...commands, completionOf(commands)]
