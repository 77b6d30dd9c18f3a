import { screen } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { describe, expect, it } from 'vitest'
import { show } from '../testing/render'
import { ago, Time } from './Time'

const now = new Date('2026-11-27T12:00:00Z')

describe('ago', () => {
  it.each([
    ['2026-11-27T11:59:30Z', 'just now'],
    ['2026-11-27T12:00:30Z', 'in a moment'],
    ['2026-11-27T11:58:00Z', '2 min. ago'],
    ['2026-11-27T09:00:01Z', '2 hr. ago'],
    ['2026-11-26T12:00:00Z', 'yesterday'],
    ['2026-11-20T12:00:00Z', '7 days ago'],
    ['2026-12-07T12:00:00Z', 'in 10 days'],
    ['2024-11-01T12:00:00Z', '2 yr. ago'],
  ])('%s is %s', (time, words) => expect(ago(new Date(time), now)).toBe(words))
})

describe('Time', () => {
  it('tells UTC on hover', async () => {
    show(<Time at="2026-11-20T09:30:00Z" exact />)
    const time = screen.getByText(/2026/)
    expect(time).toHaveAttribute('datetime', '2026-11-20T09:30:00Z')
    await userEvent.hover(time)
    expect(await screen.findByText(/2026-11-20T09:30:00Z/)).toBeInTheDocument()
  })
  it.each([undefined, '', 'soon', '0001-01-01T00:00:00Z'])('has no time for %j', (at) => {
    show(<Time at={at} />)
    expect(screen.getByText('–')).toBeInTheDocument()
  })
})
