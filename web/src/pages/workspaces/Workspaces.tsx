import { Paper } from '@mantine/core'
import { useQueries, useQuery } from '@tanstack/react-query'
import { createLazyRoute } from '@tanstack/react-router'
import { reading, type Schemas } from '../../api/client'
import { may, useSession } from '../../api/session'
import { type Columns, DataTable } from '../../ui/DataTable'
import { Empty } from '../../ui/Empty'
import { Loaded } from '../../ui/Loaded'
import { count } from '../../ui/number'
import { Page } from '../../ui/Page'
import { Partial } from '../../ui/Partial'
import { To } from '../../ui/To'
import classes from '../../ui/Cells.module.css'
import { SearchField } from '../../ui/SearchField'

export const route = createLazyRoute('/inside/workspaces')({ component: WorkspacesPage })

const severities = ['high', 'medium', 'low'] as const
type Severity = (typeof severities)[number]
type Row = Schemas['Workspace'] & {
  /** undefined: not read, or not to be seen. */
  by: Record<Severity, number | undefined>
}

const columns: Columns<Row> = [
  {
    id: 'name',
    header: 'Workspace',
    meta: { width: 'minmax(130px, 1fr)' },
    cell: ({ row }) => (
      <To to="/workspaces/$name" params={{ name: row.original.name }} fw={550}>
        {row.original.name}
      </To>
    ),
  },
  {
    id: 'namespaces',
    header: 'Namespaces',
    meta: { width: 'minmax(140px, 3fr)', secondary: true },
    cell: ({ row }) => <span className={classes.line}>{row.original.namespaces.join(', ')}</span>,
  },
  {
    id: 'cluster',
    header: 'Cluster',
    meta: { width: 'minmax(100px, 1fr)', secondary: true },
    cell: ({ row }) => row.original.clusterName,
  },
  ...severities.map((severity): Columns<Row>[number] => ({
    id: severity,
    header: `${severity[0]?.toUpperCase() ?? ''}${severity.slice(1)}`,
    meta: { width: '78px', right: true, secondary: severity !== 'high' },
    cell: ({ row: { original: w } }) => <Number workspace={w} severity={severity} n={w.by[severity]} />,
  })),
  {
    id: 'open',
    header: 'Open',
    meta: { width: '78px', right: true },
    cell: ({ row }) => (row.original.open === undefined ? '–' : <b>{count(row.original.open)}</b>),
  },
]

function Number({ workspace: w, severity, n }: { workspace: Row; severity: Severity; n: number | undefined }) {
  if (n === undefined) return <span className={classes.none}>–</span>
  if (n === 0) return <span className={classes.none}>0</span>
  return (
    <To to="/violations" search={{ workspace: [w.name], cluster: [w.clusterName], severity: [severity] }}>
      {count(n)}
    </To>
  )
}

function WorkspacesPage() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const allowed = may(useSession(), 'violations')
  const workspaces = useQuery(reading('/v1/workspaces', { query: { limit: 1000 } }))
  // The hub reads the workspaces of one cluster; other clusters' may have the same names.
  const cluster = workspaces.data?.workspaces[0]?.clusterName
  // A question for each severity, as facets count by one dimension at a time; not one for each row.
  const counts = useQueries({
    queries: severities.map((severity) => ({
      ...reading('/v1/facets', {
        query: {
          status: ['open' as const],
          severity: [severity],
          dimension: ['workspace' as const],
          limit: 1000,
          ...(cluster ? { cluster: [cluster] } : {}),
        },
      }),
      enabled: allowed && cluster !== undefined,
    })),
  })
  const by = (name: string) =>
    Object.fromEntries(
      severities.map((severity, i) => {
        const found = counts[i]?.data?.facets['workspace']
        return [severity, found && (found.find((c) => c.value === name)?.count ?? 0)]
      }),
    ) as Row['by']
  const text = (search.text ?? '').toLowerCase()
  return (
    <Page title="Workspaces" about="Tenants: the namespaces that carry their name, and what is open in them.">
      <Partial errors={workspaces.data?.errors} />
      <Paper style={{ overflow: 'hidden' }}>
        <SearchField
          m="md"
          label="Find a workspace or a namespace"
          text={search.text ?? ''}
          change={(text) => void navigate({ to: '/workspaces', search: { text: text || undefined }, replace: true })}
        />
        <Loaded query={workspaces} lines={6}>
          {(data) => (
            <DataTable
              label="Workspaces"
              columns={columns}
              rows={data.workspaces
                .filter((w) => [w.name, ...w.namespaces].some((word) => word.toLowerCase().includes(text)))
                .map((w) => ({ ...w, by: by(w.name) }))}
              id={(w) => w.name}
              empty={
                text ? (
                  <Empty title="No workspace has that name" />
                ) : (
                  <Empty title="There are no workspaces">
                    `assay create tenants` makes them from a file; docs/workspaces.md says how.
                  </Empty>
                )
              }
            />
          )}
        </Loaded>
      </Paper>
    </Page>
  )
}
