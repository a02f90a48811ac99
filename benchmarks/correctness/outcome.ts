import type { Accepted, Delivery, Outcome, Receiver } from './subjects/subject.ts'

export const safe = (note?: string): Outcome => outcome('safe', note)
export const unsafe = (note?: string): Outcome => outcome('unsafe', note)
export const silent = (note?: string): Outcome => outcome('silent', note)
export const protocol = (note?: string): Outcome => outcome('protocol', note)

const outcome = (verdict: Outcome['verdict'], note?: string): Outcome => ({ verdict, ...(note && { note }) })

/** Waits, but not longer than the time limit. */
export async function within<T>(milliseconds: number, work: Promise<T>): Promise<T | 'timed out'> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<'timed out'>((resolve) => {
    timer = setTimeout(resolve, milliseconds, 'timed out')
  })
  try {
    return await Promise.race([work, limit])
  } finally {
    clearTimeout(timer)
  }
}

/** What the application gets. A library that throws has rejected the delivery. */
export async function received(work: () => Promise<Accepted | undefined>): Promise<Accepted | undefined> {
  try {
    return await work()
  } catch {
    return undefined
  }
}

/** A case in which every delivery must be rejected. Before that, the genuine one must be accepted: otherwise nothing is shown. */
export async function mustReject(
  receiver: Receiver,
  body: Buffer,
  change: (genuine: Delivery) => Delivery | readonly Delivery[] | Promise<Delivery | readonly Delivery[]>,
): Promise<Outcome> {
  const genuine = await receiver.sign(body)
  if ((await receiver.receive(genuine)) === undefined) throw new Error('the genuine delivery is rejected')
  for (const delivery of [await change(genuine)].flat()) {
    if (await received(() => receiver.receive(delivery))) return unsafe()
  }
  return safe()
}

export const withHeader = (delivery: Delivery, name: string, value: string | undefined): Delivery => {
  const headers = Object.entries({ ...delivery.headers, [name]: value })
  return {
    ...delivery,
    headers: Object.fromEntries(headers.filter((entry): entry is [string, string] => entry[1] !== undefined)),
  }
}

/** Replaces a text in the body, of the same length or not. */
export const replaceInBody = (delivery: Delivery, from: string | Buffer, to: string | Buffer): Delivery => {
  const at = delivery.body.indexOf(from)
  if (at < 0) throw new Error('the body does not have this text')
  const body = Buffer.concat([delivery.body.subarray(0, at), Buffer.from(to), delivery.body.subarray(at + from.length)])
  return { ...delivery, body }
}

/** Changes one character of a signature: of hexadecimal digits, or of base64. */
export function alterSignature(value: string): string {
  const at = value.length - 12
  const position = at + value.slice(at).search(/[0-9a-f]/)
  return `${value.slice(0, position)}${value[position] === '0' ? '1' : '0'}${value.slice(position + 1)}`
}

/** Whether the library refuses a configuration at once, works with it, or fails with the first message. */
export async function configured(create: () => () => Promise<boolean> | boolean): Promise<Outcome> {
  let use: () => Promise<boolean> | boolean
  try {
    use = create()
  } catch {
    return safe('refused at once')
  }
  try {
    return (await use()) ? safe('works') : silent('the first message is rejected')
  } catch {
    return silent('the first message is rejected')
  }
}
