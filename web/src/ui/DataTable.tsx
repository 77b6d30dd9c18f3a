import { type Column, type ColumnDef, FlexRender, type Row, type RowData, tableFeatures, useTable } from '@tanstack/react-table'
import { useVirtualizer } from '@tanstack/react-virtual'
import { IconArrowDown, IconArrowsSort, IconArrowUp } from '@tabler/icons-react'
import { type ReactNode, useEffect, useRef } from 'react'
import classes from './DataTable.module.css'

const features = tableFeatures({})
export type Columns<T extends RowData> = ColumnDef<typeof features, T>[]

/** What a column's meta says of how it looks. */
interface ColumnLook {
  /** A CSS grid track, such as "minmax(200px, 2fr)". */
  width?: string
  /** The name by which the list is sorted when the header is pressed. */
  order?: string
  right?: boolean
  /** Left out on phones. */
  secondary?: boolean
}

declare module '@tanstack/react-table' {
  interface ColumnMeta<TFeatures, TData, TValue> extends ColumnLook {
    // The parameters are those of the interface that is extended.
    readonly _?: [TFeatures, TData, TValue]
  }
}

interface Properties<T extends RowData> {
  /** What the table is about, for screen readers. */
  label: string
  columns: Columns<T>
  rows: T[]
  id: (row: T) => string
  /** What is sorted by, and which way. */
  order?: { by: string | undefined; ascending: boolean; change: (by: string) => void }
  /** Called when the end comes into view. */
  more?: (() => void) | undefined
  /** How many there are in all, when more than the rows. */
  total?: number | undefined
  /** Shown when there are no rows. */
  empty: ReactNode
  /** The room that it may take before it scrolls, such as "70vh"; without it, it is as long as it is, up to some hundred rows. */
  height?: string
}

const rowHeight = 37

/** A table of any length: only the rows in view are in the document. On a phone secondary columns are left out. */
export function DataTable<T extends RowData>({ label, columns, rows, id, order, more, total, empty, height }: Properties<T>) {
  const table = useTable({ features, columns, data: rows, getRowId: id })
  const scroller = useRef<HTMLDivElement>(null)
  // TanStack Virtual gives functions that the React compiler could not memoize; nothing here is compiled.
  // eslint-disable-next-line react-hooks/incompatible-library
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: 12,
    getItemKey: (i) => table.getRowModel().rows[i]?.id ?? i,
  })
  const items = virtual.getVirtualItems()
  const last = items.at(-1)?.index ?? 0
  useEffect(() => {
    if (more && last >= rows.length - 20) more()
  }, [more, last, rows.length])

  const shown = table.getAllColumns()
  const grid = { '--columns': tracks(shown, false), '--columns-small': tracks(shown, true) } as React.CSSProperties
  const model = table.getRowModel().rows
  if (rows.length === 0) return <>{empty}</>
  return (
    <div
      ref={scroller}
      className={classes.scroller}
      style={{ ...grid, maxHeight: height ?? (rows.length > 100 ? '75vh' : 'none') }}
      role="table"
      aria-label={label}
      aria-rowcount={(total ?? rows.length) + 1}
      // A box that scrolls must be reached by keyboard.
      // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
      tabIndex={0}
    >
      <div role="rowgroup" className={classes.head}>
        {table.getHeaderGroups().map((group) => (
          <div role="row" key={group.id} className={classes.row} aria-rowindex={1}>
            {group.headers.map((header) => {
              const look = header.column.columnDef.meta
              const by = look?.order
              const sorted = by !== undefined && order?.by === by
              return (
                <div
                  role="columnheader"
                  key={header.id}
                  className={classes.cell}
                  data-right={look?.right || undefined}
                  data-secondary={look?.secondary || undefined}
                  {...(by !== undefined && order
                    ? { 'aria-sort': sorted ? (order.ascending ? 'ascending' : 'descending') : 'none' }
                    : {})}
                >
                  {by !== undefined && order ? (
                    <button type="button" className={classes.sort} onClick={() => order.change(by)}>
                      <FlexRender header={header} />
                      {sorted ? (
                        order.ascending ? (
                          <IconArrowUp size={13} aria-hidden />
                        ) : (
                          <IconArrowDown size={13} aria-hidden />
                        )
                      ) : (
                        <IconArrowsSort size={13} aria-hidden opacity={0.5} />
                      )}
                    </button>
                  ) : (
                    <FlexRender header={header} />
                  )}
                </div>
              )
            })}
          </div>
        ))}
      </div>
      <div role="rowgroup" style={{ height: virtual.getTotalSize(), position: 'relative' }}>
        {items.map((item) => {
          const row = model[item.index]
          return row && <TableRow key={row.id} row={row} index={item.index} top={item.start} measure={virtual.measureElement} />
        })}
      </div>
    </div>
  )
}

// React writes false into data attributes, and CSS asks whether they are there: hence undefined.
function TableRow<T extends RowData>({
  row,
  index,
  top,
  measure,
}: {
  row: Row<typeof features, T>
  index: number
  top: number
  measure: (element: Element | null) => void
}) {
  return (
    <div
      role="row"
      aria-rowindex={index + 2}
      data-index={index}
      ref={measure}
      className={classes.row}
      data-body
      style={{ transform: `translateY(${top}px)` }}
    >
      {row.getAllCells().map((cell) => (
        <div
          role="cell"
          key={cell.id}
          className={classes.cell}
          data-right={cell.column.columnDef.meta?.right || undefined}
          data-secondary={cell.column.columnDef.meta?.secondary || undefined}
        >
          <FlexRender cell={cell} />
        </div>
      ))}
    </div>
  )
}

function tracks<T extends RowData>(columns: Column<typeof features, T>[], small: boolean): string {
  return columns
    .filter((column) => !small || !column.columnDef.meta?.secondary)
    .map((column) => column.columnDef.meta?.width ?? 'minmax(80px, 1fr)')
    .join(' ')
}
