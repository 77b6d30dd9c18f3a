import { describe, expect, it } from 'vitest'
import { asked, exportAddress, toggled } from './asked'

const now = new Date('2026-11-27T12:03:59Z')

describe('asked', () => {
  it('asks for what is open unless the address says otherwise', () => {
    expect(asked({}, now)).toEqual({ status: ['open'] })
    expect(asked({ status: ['resolved'] }, now)).toEqual({ status: ['resolved'] })
  })
  it('turns since into a time that stays the same for five minutes', () => {
    expect(asked({ since: '24h' }, now).from).toBe('2026-11-26T12:00:00.000Z')
    expect(asked({ since: '24h' }, new Date('2026-11-27T12:00:01Z')).from).toBe('2026-11-26T12:00:00.000Z')
  })
  it('prefers an exact time to since', () => {
    expect(asked({ since: '7d', from: '2026-01-01T00:00:00Z' }, now).from).toBe('2026-01-01T00:00:00Z')
  })
  it('asks the hub for filters only', () => {
    expect(Object.keys(asked({ order: 'severity', group: 'policy', ascending: 'true', kind: ['Pod'] }, now)).sort()).toEqual([
      'kind',
      'status',
    ])
  })
})

describe('exportAddress', () => {
  it('gives each value a parameter of its own', () => {
    expect(exportAddress({ kind: ['Pod', 'Job'], text: 'a&b' }, 'csv')).toBe('/v1/export?format=csv&kind=Pod&kind=Job&text=a%26b')
  })
  it('keeps the empty namespace, which is that of cluster-scoped objects', () => {
    expect(exportAddress({ namespace: [''] }, 'ndjson')).toBe('/v1/export?format=ndjson&namespace=')
  })
})

describe('toggled', () => {
  it('puts a value in and takes it out', () => {
    const once = toggled({}, 'kind', 'Pod')
    expect(once.kind).toEqual(['Pod'])
    expect(toggled(once, 'kind', 'Job').kind).toEqual(['Pod', 'Job'])
    expect(toggled(once, 'kind', 'Pod').kind).toBeUndefined()
  })
})
