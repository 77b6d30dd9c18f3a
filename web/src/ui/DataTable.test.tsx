import { screen, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { show } from '../testing/render'
import { type Columns, DataTable } from './DataTable'

interface Row {
  name: string
  n: number
}
const columns: Columns<Row> = [
  { id: 'name', header: 'Name', meta: { order: 'name', secondary: false }, cell: ({ row }) => row.original.name },
  { id: 'n', header: 'Count', meta: { right: true, secondary: true }, cell: ({ row }) => row.original.n },
]
const rows = (n: number): Row[] => Array.from({ length: n }, (_, i) => ({ name: `row ${i}`, n: i }))
const id = (row: Row) => row.name
const nothing = <p>nothing</p>

// jsdom lays nothing out: the room in which rows are in view is said here.
beforeEach(() => {
  vi.spyOn(Element.prototype, 'clientHeight', 'get').mockReturnValue(370)
  vi.spyOn(Element.prototype, 'clientWidth', 'get').mockReturnValue(800)
  vi.spyOn(HTMLElement.prototype, 'offsetHeight', 'get').mockReturnValue(37)
})

describe('DataTable', () => {
  it('has only rows in view in the document, and says how many there are', () => {
    show(<DataTable label="Things" columns={columns} rows={rows(5000)} id={id} total={9000} empty={nothing} />)
    const table = screen.getByRole('table', { name: 'Things' })
    expect(table).toHaveAttribute('aria-rowcount', '9001')
    expect(table).toHaveAttribute('tabindex', '0')
    const shown = within(table).getAllByRole('row')
    expect(shown.length).toBeGreaterThan(5)
    expect(shown.length).toBeLessThan(60)
    expect(shown[1]).toHaveAttribute('aria-rowindex', '2')
  })
  it('asks for more near the end only', () => {
    const more = vi.fn()
    const { unmount } = show(<DataTable label="Things" columns={columns} rows={rows(5000)} id={id} more={more} empty={nothing} />)
    expect(more).not.toHaveBeenCalled()
    unmount()
    show(<DataTable label="Things" columns={columns} rows={rows(20)} id={id} more={more} empty={nothing} />)
    expect(more).toHaveBeenCalled()
  })
  it('is sorted by keyboard where it can be', async () => {
    const change = vi.fn()
    const order = { by: 'name', ascending: true, change }
    show(<DataTable label="Things" columns={columns} rows={rows(3)} id={id} order={order} empty={nothing} />)
    expect(screen.getByRole('columnheader', { name: 'Name' })).toHaveAttribute('aria-sort', 'ascending')
    expect(screen.getByRole('columnheader', { name: 'Count' })).not.toHaveAttribute('aria-sort')
    screen.getByRole('button', { name: 'Name' }).focus()
    await userEvent.keyboard('{Enter}')
    expect(change).toHaveBeenCalledWith('name')
  })
  it('leaves out on phones only what is secondary', () => {
    show(<DataTable label="Things" columns={columns} rows={rows(1)} id={id} empty={nothing} />)
    expect(screen.getByRole('columnheader', { name: 'Name' })).not.toHaveAttribute('data-secondary')
    expect(screen.getByRole('columnheader', { name: 'Count' })).toHaveAttribute('data-secondary')
    expect(screen.getByRole('cell', { name: 'row 0' })).not.toHaveAttribute('data-secondary')
  })
  it('shows what stands for nothing', () => {
    show(<DataTable label="Things" columns={columns} rows={[]} id={id} empty={nothing} />)
    expect(screen.queryByRole('table')).not.toBeInTheDocument()
    expect(screen.getByText('nothing')).toBeInTheDocument()
  })
})
