import { expect, test } from 'vitest'
import { blank, draftOf, named, objectOf, problem, shown } from './form'

test('names of objects are read as they are shown', () => {
  for (const text of ['Deployment/web', 'Deployment/shop/web']) expect(shown(named(text) ?? { kind: '', name: '' })).toBe(text)
  for (const text of ['web', '/web', 'Deployment/', 'a/b/c/d', 'a/b/']) expect(named(text)).toBeUndefined()
})

test('a form says what is missing, in the order of its fields', () => {
  expect(problem(blank)).toContain('name')
  expect(problem({ ...blank, name: 'x' })).toContain('matches')
  expect(problem({ ...blank, name: 'x', by: 'apps', targets: ['Deployment/web'] })).toContain('Kustomization')
  expect(problem({ ...blank, name: 'x', targets: ['shop'], values: { p: {} } })).toContain('parameter')
  expect(problem({ ...blank, name: 'x', targets: ['shop'], values: { p: { n: 0 } } })).toBeUndefined()
})

test('a config that is opened and not changed is the same', () => {
  const match = { apps: [{ kind: 'Kustomization', name: 'shop', namespace: 'flux-system' }] }
  const draft = draftOf({
    name: 'shop',
    match,
    matchType: 'apps',
    clusterName: 'c',
    totalPolicies: 1,
    status: 'OK',
    age: '2026-11-27T00:00:00Z',
    state: { ready: 'True' },
    policies: [{ id: 'p', parameters: { n: 3, none: null }, defaults: {}, status: 'OK' }],
  })
  expect(objectOf(draft).spec).toEqual({ match, config: { p: { parameters: { n: 3, none: null } } } })
})
