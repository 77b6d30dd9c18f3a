import { expect, it } from 'vitest'
import { matched } from './matched'

it.each([
  [{ resources: [{ kind: 'Deployment', name: 'cart', namespace: 'shop' }] }, 'Deployment shop/cart'],
  [{ namespaces: ['monitoring'], resources: [{ kind: 'DaemonSet', name: 'a' }] }, 'DaemonSet a, in namespace monitoring'],
  [{ namespaces: ['a', 'b'], labels: { x: '1', y: '*' } }, 'labelled x=1 and y=*, in namespace a or b'],
  [
    { apps: [{ kind: 'HelmRelease', name: 'r' }], labels: {}, resources: [], workspaces: ['web'] },
    'applied by HelmRelease r, in workspace web',
  ],
  [{}, ''],
])('%j is said in words', (match, want) => expect(matched(match)).toBe(want))
