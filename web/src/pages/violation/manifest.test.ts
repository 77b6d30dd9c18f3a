import { describe, expect, it } from 'vitest'
import { manifestOf, steps } from './manifest'

const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'x', annotations: { 'a.b/c': 'd' } },
  spec: { containers: [{ name: 'one', image: 'nginx' }, { name: 'two' }] },
}

describe('steps', () => {
  it.each([
    ['spec.containers[0].image', ['spec', 'containers', 0, 'image']],
    ['metadata.annotations["a.b/c"]', ['metadata', 'annotations', 'a.b/c']],
    ["metadata.labels['x.y']", ['metadata', 'labels', 'x.y']],
  ])('reads %s', (path, want) => expect(steps(path)).toEqual(want))
  it.each(['', '[', 'a[b', 'a]'])('refuses %j', (path) => expect(steps(path)).toBeUndefined())
})

describe('manifestOf', () => {
  it('marks the line of a field', () => {
    const { text, lines } = manifestOf(pod, [{ message: '', violating_key: 'spec.containers[0].image' }])
    expect(lines.map((n) => text.split('\n')[n - 1]?.trim())).toEqual(['image: nginx'])
  })
  it('marks what is there of a path that leads further', () => {
    const { text, lines } = manifestOf(pod, [{ message: '', violating_key: 'spec.containers[1].securityContext.privileged' }])
    expect(lines.map((n) => text.split('\n')[n - 1]?.trim())).toEqual(['- name: two'])
  })
  it('marks the name of what a field is missing in, not the first field that is there', () => {
    const { text, lines } = manifestOf(pod, [{ message: '', violating_key: 'spec.automountServiceAccountToken' }])
    expect(lines.map((n) => text.split('\n')[n - 1])).toEqual(['spec:'])
  })
  it('suggests the recommended values and changes nothing else', () => {
    const { text, suggested } = manifestOf(pod, [
      { message: '', violating_key: 'spec.containers[1].securityContext.privileged', recommended_value: false },
      { message: '', violating_key: 'metadata.annotations["a.b/c"]', recommended_value: 'e' },
    ])
    expect(suggested).toBe(
      text
        .replace('a.b/c: d', 'a.b/c: e')
        .replace('- name: two\n', '- name: two\n      securityContext:\n        privileged: false\n'),
    )
  })
  it('suggests nothing where nothing is recommended, or cannot be', () => {
    expect(manifestOf(pod, [{ message: '', violating_key: 'spec.containers' }]).suggested).toBeUndefined()
    expect(manifestOf(pod, [{ message: '', violating_key: 'kind.x', recommended_value: 1 }]).suggested).toBeUndefined()
  })
})
