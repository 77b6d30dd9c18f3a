import { expect, test } from 'vitest'
import { daysAgo, weeks } from './week'

test('days begin at midnight in UTC', () => {
  expect(daysAgo(7, new Date('2026-11-27T17:30:00Z'))).toBe('2026-11-20T00:00:00Z')
})

test('this week and the one before are counted', () => {
  const days = Array.from({ length: 20 }, (_, i) => ({ day: `d${i}`, opened: i < 13 ? 1 : 2, resolved: 0, denied: 0, warned: 0 }))
  expect(weeks(days)).toEqual({ now: 14, before: 7 })
})
