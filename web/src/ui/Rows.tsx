import { Table } from '@mantine/core'
import type { ReactNode } from 'react'

interface Properties {
  label: string
  head: string[]
  /** Rows, or bodies of rows. */
  children: ReactNode
  /** In pixels; in less room it scrolls sideways. */
  minWidth?: number
  /** In pixels; what is longer scrolls. */
  maxHeight?: number
  className?: string | undefined
}

/** A table of a page's size. What scrolls can be reached by keyboard, which needs the browser's own scrolling (`native`). */
export function Rows({ label, head, children, minWidth = 420, maxHeight, className }: Properties) {
  return (
    <Table.ScrollContainer
      type="native"
      minWidth={minWidth}
      tabIndex={0}
      role="region"
      aria-label={`${label}, table that scrolls`}
      {...(maxHeight === undefined ? {} : { maxHeight })}
      {...(className === undefined ? {} : { className })}
    >
      <Table fz="sm" verticalSpacing={6} horizontalSpacing="md">
        <Table.Thead>
          <Table.Tr>
            {head.map((name) => (
              <Table.Th key={name}>{name}</Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        {children}
      </Table>
    </Table.ScrollContainer>
  )
}
