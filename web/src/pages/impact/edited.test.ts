import { expect, test } from 'vitest'
import { edited, mistakesOf } from './edited'
import { asWritten, enforced } from './policy'

const text = `apiVersion: pac.weave.works/v2
kind: Policy
metadata:
  name: x
spec:
  id: x
  code: |
    package x
  targets:
    kinds:
      - Deployment
`
const of = (message: string) => ({ clusterName: 'c', message })

test('objects are read from all documents of a text', () => {
  expect(edited(`${text}---\nkind: PolicySet\n---\n`).objects.map((o) => o['kind'])).toEqual(['Policy', 'PolicySet'])
})

test('what is no YAML is told with its line', () => {
  const { objects, mistakes } = edited('kind: Policy\nspec: [1\n')
  expect(objects).toEqual([])
  expect(mistakes[0]?.line).toBeGreaterThan(1)
})

test('a text of nothing and a list are no objects', () => {
  expect(edited('').mistakes).toEqual([{ message: 'There is nothing to ask about.', line: undefined }])
  expect(edited('- a\n').mistakes).toHaveLength(1)
})

test('errors about the edited object lead to its lines', () => {
  const { mistakes, others } = mistakesOf(text, [
    of('Policy x: spec.code: rego_parse_error: unexpected } token'),
    of('Policy x: spec.severity is missing'),
    of('Policy x: spec.targets.kinds[0]: no'),
    of('Policy xy: spec.code: of another one'),
    of('may not list: secrets'),
  ])
  expect(mistakes.map((m) => m.line)).toEqual([7, 5, 11])
  expect(others).toHaveLength(2)
})

test('an object is shown as it would be written', () => {
  const object = {
    apiVersion: 'v2',
    kind: 'Policy',
    metadata: { name: 'x', uid: '1', annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}' } },
    spec: { id: 'x' },
    status: {},
  }
  expect(enforced(asWritten(object))).toEqual({
    apiVersion: 'v2',
    kind: 'Policy',
    metadata: { name: 'x' },
    spec: { id: 'x', enforce: true },
  })
})
