import type { Dimension } from '../../app/dimensions'
import type { Filters } from '../../app/filters'
import type { ViolationsSearch } from '../../app/router'

const hour = 3_600_000
const spans = { '24h': 24 * hour, '7d': 7 * 24 * hour, '30d': 30 * 24 * hour } as const

/** The filters that an address asks the hub for: what is open unless it says otherwise, and `since` as a time. */
export function asked(search: ViolationsSearch, now: Date): Filters {
  const filters: Filters & Partial<Pick<ViolationsSearch, 'order' | 'ascending' | 'group' | 'since'>> = { ...search }
  delete filters.order
  delete filters.ascending
  delete filters.group
  delete filters.since
  if (!filters.status) filters.status = ['open']
  if (search.since && !filters.from) {
    // To five minutes, so that the question stays the same while the page is looked at.
    const step = 300_000
    filters.from = new Date(Math.floor((now.getTime() - spans[search.since]) / step) * step).toISOString()
  }
  return filters
}

/** The address of an export of what is shown. */
export function exportAddress(filters: Filters, format: 'csv' | 'ndjson'): string {
  const query = new URLSearchParams({ format })
  for (const [key, value] of Object.entries(filters)) {
    for (const one of [value].flat()) if (typeof one === 'string') query.append(key, one)
  }
  return `/v1/export?${query.toString()}`
}

/** The filters with a value put in or taken out. */
export function toggled(search: ViolationsSearch, dimension: Dimension, value: string): ViolationsSearch {
  const before: readonly string[] = search[dimension] ?? []
  const after = before.includes(value) ? before.filter((v) => v !== value) : [...before, value]
  return { ...search, [dimension]: after.length > 0 ? after : undefined }
}
