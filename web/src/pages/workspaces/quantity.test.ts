import { describe, expect, it } from 'vitest'
import { quantity, share } from './quantity'

describe('quantities of Kubernetes', () => {
  it.each([
    ['60', 60],
    ['2220m', 2.22],
    ['4384Mi', 4384 * 2 ** 20],
    ['40Gi', 40 * 2 ** 30],
    ['1.5k', 1500],
    ['1e3', 1000],
    ['2E', 2e18],
    ['.5', 0.5],
  ])('%s is %d', (text, number) => expect(quantity(text)).toBeCloseTo(number, 6))
  it.each([undefined, '', 'many', '1e3Ki', '5 Gi', 'Gi'])('%j is none', (text) => expect(quantity(text)).toBeUndefined())
  it('are shares of others, whatever their units', () => {
    expect(share('2220m', '20')).toBeCloseTo(11.1)
    expect(share('4384Mi', '40Gi')).toBeCloseTo(10.7, 1)
    expect(share('1', '0')).toBe(100)
    expect(share('0', '0')).toBe(0)
    expect(share(undefined, '20')).toBeUndefined()
  })
})
