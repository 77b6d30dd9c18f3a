import { describe, expect, it } from 'vitest'
import { filtersOf } from './filters'
import { compact, many, one, oneOf, parseSearch, stringifySearch } from './search'

describe('addresses', () => {
  it.each(['?kind=Pod&kind=Job&text=a+b', '?namespace=', '', '?a=%3D%26'])('say %j again after they were read', (text) => {
    expect(stringifySearch(parseSearch(text))).toBe(text)
  })
  it('leave out what is not there', () => {
    expect(stringifySearch({ a: undefined, b: [], c: 'd' })).toBe('?c=d')
    expect(compact({ a: undefined, b: '', c: [], d: ['x'] })).toEqual({ d: ['x'] })
  })
  it('take only values that there are', () => {
    expect(oneOf({ order: 'name' }, 'order', ['severity'])).toBeUndefined()
    expect(filtersOf({ severity: ['high', 'worst'], gate: 'audit', status: 'gone', namespace: '' })).toEqual({
      severity: ['high'],
      gate: ['audit'],
      namespace: [''],
    })
  })
  it('have one value or many', () => {
    expect(many({ a: 'x' }, 'a')).toEqual(['x'])
    expect(many({ a: ['x', 1, 'y'] }, 'a')).toEqual(['x', 'y'])
    expect(many({ a: 1 }, 'a')).toBeUndefined()
    expect(one({ a: ['x', 'y'] }, 'a')).toBe('y')
    expect(one({}, 'a')).toBeUndefined()
  })
  it('keep no filter that nobody knows', () => {
    expect(filtersOf({ enforced: 'perhaps', severity: ['worst'], limit: '5', cursor: 'x', text: '' })).toEqual({})
    expect(filtersOf({ enforced: 'true', from: '2026-01-01T00:00:00Z', exception: 'e' })).toEqual({
      enforced: 'true',
      from: '2026-01-01T00:00:00Z',
      exception: ['e'],
    })
  })
})
