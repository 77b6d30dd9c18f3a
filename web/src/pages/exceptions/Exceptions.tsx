import { Paper, SegmentedControl } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { createLazyRoute } from '@tanstack/react-router'
import { reading, type Schemas } from '../../api/client'
import { oneOf } from '../../app/search'
import { type Columns, DataTable } from '../../ui/DataTable'
import { Empty } from '../../ui/Empty'
import { Loaded } from '../../ui/Loaded'
import { Mark, Ready } from '../../ui/Marks'
import { Page } from '../../ui/Page'
import { Partial } from '../../ui/Partial'
import { Time, useNow } from '../../ui/Time'
import { To } from '../../ui/To'
import { matched } from './matched'
import classes from '../../ui/Cells.module.css'

export const route = createLazyRoute('/inside/exceptions')({ component: ExceptionsPage })

type Exception = Schemas['Exception']
const soon = 14 * 86_400_000

/** Whether an exception is over, will be within two weeks, or goes on. */
export function stateOf(exception: Exception, now: Date): 'expired' | 'expiring' | 'active' {
  if (exception.expired) return 'expired'
  return exception.expires !== undefined && new Date(exception.expires).getTime() - now.getTime() < soon ? 'expiring' : 'active'
}

const columns: Columns<Exception> = [
  {
    id: 'name',
    header: 'Exception',
    meta: { width: 'minmax(180px, 2fr)' },
    cell: ({ row: { original: e } }) => (
      <div className={classes.two}>
        <To
          to="/violations"
          search={{ exception: [e.name], cluster: [e.clusterName], status: ['excepted'] }}
          fw={550}
          title="What it accepts"
        >
          {e.name}
        </To>
        <span className={classes.below} title={e.reason}>
          {e.reason}
        </span>
      </div>
    ),
  },
  {
    id: 'policies',
    header: 'Policies',
    meta: { width: 'minmax(160px, 2fr)' },
    cell: ({ row }) => <span className={classes.line}>{row.original.policies.join(', ')}</span>,
  },
  {
    id: 'match',
    header: 'Of',
    meta: { width: 'minmax(140px, 2fr)', secondary: true },
    cell: ({ row }) => {
      const of = matched(row.original.match)
      return (
        <span className={classes.line} title={of}>
          {of}
        </span>
      )
    },
  },
  {
    id: 'expires',
    header: 'Until',
    meta: { width: '120px' },
    cell: ({ row }) => (row.original.expires ? <Time at={row.original.expires} /> : 'for ever'),
  },
  {
    id: 'state',
    header: 'State',
    meta: { width: '120px', secondary: true },
    cell: ({ row }) => (row.original.expired ? <Mark tone="neutral">expired</Mark> : <Ready state={row.original.state} />),
  },
]

function ExceptionsPage() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const now = useNow()
  const exceptions = useQuery(reading('/v1/exceptions', { query: { limit: 1000 } }))
  const all = exceptions.data?.exceptions ?? []
  const shown = search.state ?? 'all'
  const names = { all: 'All', active: 'Active', expiring: 'Expiring in 14 days', expired: 'Expired' }
  return (
    <Page
      title="Exceptions"
      about="What is accepted for a reason and a time. It stays visible as excepted, and comes back by itself when the time is over."
      actions={
        <SegmentedControl
          size="xs"
          aria-label="State"
          value={shown}
          data={Object.entries(names).map(([value, label]) => ({
            value,
            label: `${label} ${value === 'all' ? all.length : all.filter((e) => stateOf(e, now) === value).length}`,
          }))}
          onChange={(value) =>
            void navigate({
              to: '/exceptions',
              search: { ...search, state: oneOf({ value }, 'value', ['active', 'expiring', 'expired'] as const) },
            })
          }
        />
      }
    >
      <Partial errors={exceptions.data?.errors} />
      <Paper style={{ overflow: 'hidden' }}>
        <Loaded query={exceptions} lines={6}>
          {() => (
            <DataTable
              label="Exceptions"
              columns={columns}
              rows={all.filter((e) => shown === 'all' || stateOf(e, now) === shown)}
              id={(e) => `${e.clusterName} ${e.name}`}
              empty={
                <Empty title="There are none">
                  Open a violation and choose “Make an exception”: what comes out is a file for Git, like policies are.
                </Empty>
              }
            />
          )}
        </Loaded>
      </Paper>
    </Page>
  )
}
