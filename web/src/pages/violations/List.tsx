import { Button } from '@mantine/core'
import { IconRefresh } from '@tabler/icons-react'
import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query'
import { useEffect, useMemo, useState } from 'react'
import { useChanges } from '../../api/changes'
import { type Answer, read } from '../../api/client'
import type { Filters } from '../../app/filters'
import { orders, type ViolationsSearch } from '../../app/router'
import { DataTable } from '../../ui/DataTable'
import { Failed } from '../../ui/Failed'
import { Loaded } from '../../ui/Loaded'
import { plural } from '../../ui/number'
import { columns } from './columns'
import { NothingFound } from './NothingFound'
import classes from './List.module.css'

interface Properties {
  search: ViolationsSearch
  filters: Filters
  total: number | undefined
  change: (search: ViolationsSearch) => void
}

const page = 500

/**
 * The violations, as far as one scrolls. A list of one page follows what happens; a longer one says that there is something new, since
 * reading all of it again would move what is looked at.
 */
export function List({ search, filters, total, change }: Properties) {
  const order = search.order ?? 'lastSeen'
  const ascending = search.ascending === 'true'
  const question = { ...filters, order, ...(ascending ? { ascending: 'true' as const } : {}), limit: page }
  const violations = useInfiniteQuery({
    queryKey: ['/v1/violations', { query: question, pages: true }],
    queryFn: ({ pageParam, signal }) =>
      read('/v1/violations', { query: { ...question, ...(pageParam ? { cursor: pageParam } : {}) } }, signal),
    initialPageParam: '',
    getNextPageParam: (last: Answer<'/v1/violations'>) => last.next,
    placeholderData: keepPreviousData,
    meta: { keep: true },
  })
  const { data, fetchNextPage, hasNextPage, isFetchingNextPage, refetch, dataUpdatedAt } = violations
  const rows = useMemo(() => data?.pages.flatMap((p) => p.items) ?? [], [data])

  const changes = useChanges().count
  const [seen, setSeen] = useState({ at: dataUpdatedAt, changes })
  if (seen.at !== dataUpdatedAt) setSeen({ at: dataUpdatedAt, changes })
  const fresh = changes - seen.changes
  const single = (data?.pages.length ?? 0) <= 1
  useEffect(() => {
    if (fresh === 0 || !single) return
    const due = setTimeout(() => void refetch(), 5000)
    return () => clearTimeout(due)
    // The timer begins with the first change and is not put off by those that follow.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [fresh > 0, single, refetch])

  return (
    <Loaded query={violations} lines={10}>
      {() => (
        <div className={classes.list} data-stale={violations.isPlaceholderData}>
          {fresh > 0 && !single && (
            <div className={classes.fresh} role="status">
              <Button size="compact-sm" leftSection={<IconRefresh size={14} aria-hidden />} onClick={() => void refetch()}>
                {plural(fresh, 'change')}, show
              </Button>
            </div>
          )}
          <DataTable
            label="Violations"
            columns={columns}
            rows={rows}
            id={(v) => v.id}
            total={total}
            height="calc(100vh - 250px)"
            order={{
              by: order,
              ascending,
              change: (by) =>
                change({
                  ...search,
                  order: orders.find((o) => o === by),
                  ascending: by === order && !ascending ? 'true' : undefined,
                }),
            }}
            more={hasNextPage && !isFetchingNextPage ? () => void fetchNextPage() : undefined}
            empty={<NothingFound search={search} change={change} />}
          />
          {violations.isFetchNextPageError && <Failed error={violations.error} retry={() => void fetchNextPage()} />}
        </div>
      )}
    </Loaded>
  )
}
