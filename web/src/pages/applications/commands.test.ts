import { describe, expect, it } from 'vitest'
import { commands } from './commands'

describe('commands', () => {
  it('look further at a Flux object', () => {
    expect(commands('Kustomization', 'flux-system', 'shop')).toEqual([
      'flux get kustomization shop -n flux-system',
      'flux tree kustomization shop -n flux-system',
      'flux events --for Kustomization/shop -n flux-system',
    ])
    expect(commands('HelmRelease', 'shop', 'cache')[0]).toBe('flux get helmrelease cache -n shop')
  })
  it.each([
    ['Kustomization', 'flux-system', 'shop; rm -rf ~'],
    ['Kustomization', '$(id)', 'shop'],
    ['Kustomization', 'flux-system', '--help'],
    ['Kustomization', 'flux-system', 'shop\nid'],
    ['Pod', 'flux-system', 'shop'],
  ])('are not made of %s %s %j', (kind, namespace, name) => expect(commands(kind, namespace, name)).toEqual([]))
})
