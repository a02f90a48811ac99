import { arrow, box, picture, text } from './svg.ts'

export const bothDirections = picture({
  title: 'Both directions',
  description:
    'AlipayHK sends an order to your endpoint. The handler verifies, decrypts, validates and deduplicates it, calls your onOrder once, and sends a signed response. ' +
    'To send an order, your code calls enqueue or syncOrder. The client validates, encrypts and signs it, sends it to AlipayHK, and verifies the signed response.',
  height: 268,
  shapes: [
    box({ x: 20, y: 20, width: 150, height: 228 }, ['**AlipayHK**']),
    box({ x: 290, y: 20, width: 250, height: 100 }, [
      '**handler**',
      'verify, decrypt, validate,',
      'new event?',
      'respond signed',
    ]),
    box({ x: 290, y: 148, width: 250, height: 100 }, [
      '**client**, **outbox**',
      'validate, encrypt, sign,',
      'verify the response,',
      'retry safely',
    ]),
    box({ x: 580, y: 20, width: 120, height: 100 }, ['`onOrder`', 'once for each', 'new event'], { tone: 'yours' }),
    box({ x: 580, y: 148, width: 120, height: 100 }, ['`enqueue`', '`syncOrder`'], { tone: 'yours' }),
    text(230, 52, 'order', { anchor: 'middle' }),
    arrow([
      [170, 60],
      [288, 60],
    ]),
    arrow([
      [290, 86],
      [172, 86],
    ]),
    text(230, 104, 'signed response', { anchor: 'middle', muted: true }),
    arrow([
      [540, 70],
      [578, 70],
    ]),
    arrow([
      [580, 198],
      [542, 198],
    ]),
    text(230, 180, 'order', { anchor: 'middle' }),
    arrow([
      [290, 188],
      [172, 188],
    ]),
    arrow([
      [170, 214],
      [288, 214],
    ]),
    text(230, 232, 'signed response', { anchor: 'middle', muted: true }),
  ],
})
