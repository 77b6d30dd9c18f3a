import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { dayIn, exceptionYAML, isName, nameOf, scopesOf } from './exception'

const policy = { id: 'weave.policies.no-root', name: 'No root', category: '', severity: 'high', standards: [] }
const violation = {
  cluster: 'one',
  policy,
  object: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'cart', namespace: 'shop' },
  workspace: 'web',
  app: { kind: 'Kustomization', name: 'apps', namespace: 'flux-system' },
  manifest: { metadata: { name: 'cart', labels: { app: 'cart' } } } as Record<string, unknown>,
}

describe('scopesOf', () => {
  it('goes from the object to its workspace and suggests the object', () => {
    const { scopes, suggested } = scopesOf(violation)
    expect(scopes.map((s) => s.id)).toEqual(['object', 'labels', 'app', 'namespace', 'workspace'])
    expect(suggested).toBe('object')
    expect(scopes[0]?.match).toEqual({ resources: [{ kind: 'Deployment', name: 'cart', namespace: 'shop' }] })
    expect(scopes[1]?.match).toEqual({ namespaces: ['shop'], labels: { app: 'cart' } })
  })
  it('suggests what lasts when a controller made the name', () => {
    const manifest = { metadata: { ownerReferences: [{ kind: 'Job' }], labels: { app: 'cart' } } }
    expect(scopesOf({ ...violation, manifest }).suggested).toBe('labels')
  })
  it('suggests the object when there is nothing wider', () => {
    const object = { apiVersion: 'v1', kind: 'Node', name: 'n1', namespace: '' }
    const { scopes, suggested } = scopesOf({ cluster: 'one', policy, object, manifest: { metadata: { generateName: 'n' } } })
    expect(suggested).toBe('object')
    expect(scopes.map((s) => s.match)).toEqual([{ resources: [{ kind: 'Node', name: 'n1' }] }])
  })
})

describe('nameOf', () => {
  it.each([
    [violation.object, 'shop-cart-no-root'],
    [{ ...violation.object, namespace: '', name: 'system:node' }, 'system-node-no-root'],
    [{ ...violation.object, name: 'x'.repeat(253) }, `shop-${'x'.repeat(248)}`],
  ])('%j is a name that Kubernetes takes', (object, want) => {
    expect(nameOf({ object, policy })).toBe(want)
    expect(isName(want)).toBe(true)
  })
})

it.each(['', '-a', 'A', 'a_b', 'a..b', 'a.'])('%j is no name', (name) => expect(isName(name)).toBe(false))

it('counts days in UTC', () => expect(dayIn(30, new Date('2026-11-27T23:30:00Z'))).toBe('2026-12-27'))

describe('exceptionYAML', () => {
  const written = { name: 'x', policies: ['p'], match: { namespaces: ['shop'] }, reason: '', owner: '', ticket: '', until: '' }
  it('says all of it, whatever is written', () => {
    const reason = 'until: the "release"\n# not a comment'
    expect(parse(exceptionYAML({ ...written, reason, owner: '@shop', ticket: ' 12 ', until: '2026-12-27' }))).toEqual({
      apiVersion: 'pac.weave.works/v2',
      kind: 'PolicyException',
      metadata: { name: 'x', annotations: { 'pac.weave.works/owner': '@shop', 'pac.weave.works/ticket': '12' } },
      spec: { policies: ['p'], match: { namespaces: ['shop'] }, reason, expires: '2026-12-27T23:59:59Z' },
    })
  })
  it('has the time in quotes', () =>
    expect(exceptionYAML({ ...written, until: '2026-12-27' })).toContain('expires: "2026-12-27T23:59:59Z"'))
  it('keeps a ticket of digits a text, as annotations must be', () => {
    expect(exceptionYAML({ ...written, ticket: '12' })).toContain('pac.weave.works/ticket: "12"')
  })
  it('leaves out what is not said', () => {
    expect(parse(exceptionYAML({ ...written, reason: 'so' }))).toMatchObject({ metadata: { name: 'x' }, spec: { reason: 'so' } })
    expect(exceptionYAML(written)).not.toMatch(/annotations|expires/)
  })
})
