import { arrow, box, picture, text } from './svg.ts'

export const outbox = picture({
  title: 'The outbox',
  description:
    'Your transaction writes the order and, with enqueue, an event into the table order_sync_outbox. It commits or rolls back both. After the commit a worker claims the event with a lease, ' +
    'and sends it with syncOrder. S: the event is sent. F: it is failed. U, no response or an untrusted response: it is retried with growing pauses for up to a day, with the same requestId. ' +
    'If the worker dies, the lease expires and another worker sends the event again.',
  height: 536,
  shapes: [
    box({ x: 20, y: 20, width: 300, height: 148 }, [], { tone: 'note' }),
    text(170, 44, '**Your transaction**', { anchor: 'middle' }),
    box({ x: 36, y: 58, width: 268, height: 40 }, ['`UPDATE orders …`'], { tone: 'yours' }),
    box({ x: 36, y: 112, width: 268, height: 40 }, ['`outbox.enqueue(order, …)`'], { tone: 'yours' }),
    text(344, 54, '**rollback**: there is no event'),
    text(344, 74, 'Your row and the event are one commit:', { muted: true }),
    text(344, 92, 'neither can be there without the other.', { muted: true }),
    arrow([
      [170, 168],
      [170, 208],
    ]),
    text(182, 193, '**commit**'),
    box({ x: 20, y: 210, width: 300, height: 56 }, ['table `order_sync_outbox`', 'in your database']),
    arrow([
      [320, 238],
      [398, 238],
    ]),
    text(359, 230, 'claim', { anchor: 'middle' }),
    box({ x: 400, y: 210, width: 300, height: 56 }, [
      '**Worker**: has the order for `leaseMs`',
      'one worker at a time for an order',
    ]),
    arrow([
      [550, 266],
      [550, 318],
    ]),
    text(562, 297, '`client.syncOrder()`'),
    box({ x: 400, y: 320, width: 300, height: 44 }, ['**AlipayHK**'], { tone: 'plain' }),
    arrow([
      [400, 342],
      [322, 342],
    ]),
    text(361, 334, 'result', { anchor: 'middle' }),
    box({ x: 20, y: 302, width: 300, height: 34 }, ['`S`: **sent**'], { tone: 'good' }),
    box({ x: 20, y: 342, width: 300, height: 34 }, ['`F`: **failed**, a person looks at it'], { tone: 'bad' }),
    box({ x: 20, y: 382, width: 300, height: 52 }, ['`U`, no response, untrusted:', '**retry**, same `requestId`'], {
      tone: 'wait',
    }),
    arrow([
      [20, 408],
      [8, 408],
      [8, 238],
      [18, 238],
    ]),
    text(344, 404, 'Random pauses: up to 1 s, 2 s, 4 s … 15 minutes.', { muted: true }),
    text(344, 424, 'After a day (`maxRetryMs`): **failed**.', { muted: true }),
    box(
      { x: 20, y: 454, width: 680, height: 62 },
      [
        '**A worker dies at any instant**: its lease expires, and another worker sends the event again,',
        'with the same `requestId`. If AlipayHK had processed it, AlipayHK recognizes the request.',
      ],
      { tone: 'note', anchor: 'start' },
    ),
  ],
})
