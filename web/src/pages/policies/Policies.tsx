import { Group, NativeSelect, Paper } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { createLazyRoute } from '@tanstack/react-router'
import { reading, type Schemas } from '../../api/client'
import { may, useSession } from '../../api/session'
import { type Columns, DataTable } from '../../ui/DataTable'
import { Empty } from '../../ui/Empty'
import { Loaded } from '../../ui/Loaded'
import { Mark, Ready, Severity } from '../../ui/Marks'
import { count } from '../../ui/number'
import { Page } from '../../ui/Page'
import { Partial } from '../../ui/Partial'
import { To } from '../../ui/To'
import classes from '../../ui/Cells.module.css'
import { SearchField } from '../../ui/SearchField'

export const route = createLazyRoute('/inside/policies')({ component: PoliciesPage })

type Row = Schemas['PolicyObject'] & { open: number | undefined }

const columns: Columns<Row> = [
  { id: 'severity', header: 'Severity', meta: { width: '116px' }, cell: ({ row }) => <Severity value={row.original.severity} /> },
  {
    id: 'name',
    header: 'Policy',
    meta: { width: 'minmax(220px, 2.5fr)' },
    cell: ({ row: { original: p } }) => (
      <div className={classes.two}>
        <To to="/policies/$name" params={{ name: p.id }} fw={550}>
          {p.name}
        </To>
        <span className={classes.below}>{p.id}</span>
      </div>
    ),
  },
  {
    id: 'category',
    header: 'Category',
    meta: { width: 'minmax(120px, 1.2fr)', secondary: true },
    cell: ({ row }) => <span className={classes.line}>{row.original.category}</span>,
  },
  {
    id: 'modes',
    header: 'Acts at',
    meta: { width: 'minmax(110px, 1fr)', secondary: true },
    cell: ({ row }) =>
      row.original.modes.length > 0 ? row.original.modes.join(', ') : <span className={classes.none}>nowhere</span>,
  },
  {
    id: 'enforce',
    header: 'Effect',
    meta: { width: '90px', secondary: true },
    cell: ({ row }) => <Mark tone="neutral">{row.original.enforce ? 'refuses' : 'warns'}</Mark>,
  },
  {
    id: 'state',
    header: 'State',
    meta: { width: '120px', secondary: true },
    cell: ({ row }) => <Ready state={row.original.state} />,
  },
  {
    id: 'open',
    header: 'Open',
    meta: { width: '84px', right: true },
    cell: ({ row: { original: p } }) =>
      p.open === undefined ? (
        '–'
      ) : p.open === 0 ? (
        <span className={classes.none}>0</span>
      ) : (
        <To to="/violations" search={{ policy: [p.id] }}>
          {count(p.open)}
        </To>
      ),
  },
]

function PoliciesPage() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const session = useSession()
  const policies = useQuery(
    reading('/v1/policies', {
      query: {
        limit: 1000,
        ...(search.clusterName ? { clusterName: search.clusterName } : {}),
        ...(search.at ? { at: search.at } : {}),
      },
    }),
  )
  const cluster = policies.data?.policies[0]?.clusterName
  // One question for all policies.
  const open = useQuery({
    ...reading('/v1/facets', {
      query: { status: ['open'], dimension: ['policy'], limit: 1000, ...(cluster ? { cluster: [cluster] } : {}) },
    }),
    enabled: may(session, 'violations') && cluster !== undefined,
  })
  const change = (to: Record<string, unknown>) => void navigate({ to: '/policies', search: { ...search, ...to }, replace: true })
  const text = (search.text ?? '').toLowerCase()
  const severity = search.severity?.at(0)
  const rows = (policies.data?.policies ?? [])
    .filter((p) => [p.name, p.id, p.category].some((word) => word.toLowerCase().includes(text)))
    .filter((p) => severity === undefined || p.severity === severity)
    .filter(
      (p) =>
        search.state === undefined ||
        (search.state === 'ready'
          ? p.state.ready === 'True'
          : search.state === 'broken'
            ? p.state.ready === 'False'
            : p.modes.length === 0),
    )
    .map((p) => ({ ...p, open: open.data && (open.data.facets['policy']?.find((c) => c.value === p.id)?.count ?? 0) }))
  return (
    <Page
      title="Policies"
      beside={<span style={{ color: 'var(--mantine-color-dimmed)' }}>{policies.data && count(rows.length)}</span>}
      about={cluster && `Of cluster ${cluster}. Open violations are those of this cluster.`}
    >
      <Partial errors={policies.data?.errors} />
      <Paper style={{ overflow: 'hidden' }}>
        <Group p="md" gap="sm">
          <SearchField
            flex="1 1 220px"
            label="Find a policy"
            text={search.text ?? ''}
            change={(text) => change({ text: text || undefined })}
          />
          <NativeSelect
            size="xs"
            aria-label="Severity"
            value={severity ?? ''}
            data={[{ value: '', label: 'Any severity' }, 'high', 'medium', 'low']}
            onChange={(event) => change({ severity: event.currentTarget.value || undefined })}
          />
          <NativeSelect
            size="xs"
            aria-label="State"
            value={search.state ?? ''}
            data={[
              { value: '', label: 'Any state' },
              { value: 'ready', label: 'Ready' },
              { value: 'broken', label: 'Not ready' },
              { value: 'unused', label: 'Acts nowhere' },
            ]}
            onChange={(event) => change({ state: event.currentTarget.value || undefined })}
          />
        </Group>
        <Loaded query={policies} lines={10}>
          {() => (
            <DataTable
              label="Policies"
              columns={columns}
              rows={rows}
              id={(p) => p.objectName}
              empty={
                <Empty title="No policies match">Take a filter away, or apply the policies of library/ to the cluster.</Empty>
              }
            />
          )}
        </Loaded>
      </Paper>
    </Page>
  )
}
