import { expect, it } from 'vitest'
import { shortId, valueName } from './dimensions'

it.each([
  ['policy', 'weave.policies.run-as-root', 'run-as-root'],
  ['policy', 'shop.policies.owner', 'shop.policies.owner'],
  ['app', 'Kustomization/flux-system/shop', 'shop (Kustomization)'],
  ['namespace', '', '(none: the cluster’s)'],
  ['workspace', '', '(none)'],
] as const)('%s %j is %j', (dimension, value, want) => expect(valueName(dimension, value)).toBe(want))

it('shortens ids of each kind', () => {
  expect(['weave.standards.soc2', 'weave.controls.soc2.1', 'weave.categories.x', 'soc2'].map(shortId)).toEqual([
    'soc2',
    'soc2.1',
    'x',
    'soc2',
  ])
})
