import { describe, expect, it } from 'vitest'
import { filtersOf } from './filters'
import { compact, oneOf, parseSearch, stringifySearch } from './search'

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
})
