import type { Schemas } from '../api/client'
import { type Dimension, dimensionNames, valueName } from '../app/dimensions'
import type { Filters } from '../app/filters'
import { Counts } from './Counts'
import { bySeverity, Severity } from './Marks'
import { To } from './To'

interface Properties {
  dimension: Dimension
  counts: readonly Schemas['Count'][] | null | undefined
  /** What the counts are of, for the links. */
  filters: Filters
}

/** Counts of violations by what they have in common, each with a link to them. */
export function Breakdown({ dimension, counts, filters }: Properties) {
  const values = dimension === 'severity' ? bySeverity(counts ?? []) : (counts ?? [])
  return (
    <Counts
      label={`By ${dimensionNames[dimension].toLowerCase()}`}
      counts={values.map((c) => ({
        key: c.value,
        count: c.count,
        label: (
          <To to="/violations" search={{ ...filters, [dimension]: [c.value] }} title={c.value}>
            {dimension === 'severity' ? <Severity value={c.value} /> : valueName(dimension, c.value)}
          </To>
        ),
      }))}
    />
  )
}
