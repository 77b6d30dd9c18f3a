import { Paper } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { createLazyRoute } from '@tanstack/react-router'
import { reading, type Schemas } from '../../api/client'
import { type Columns, DataTable } from '../../ui/DataTable'
import { Empty } from '../../ui/Empty'
import { Loaded } from '../../ui/Loaded'
import { count } from '../../ui/number'
import { Page } from '../../ui/Page'
import { Partial } from '../../ui/Partial'
import { To } from '../../ui/To'
import classes from '../violations/columns.module.css'

export const route = createLazyRoute('/inside/workspaces')({ component: WorkspacesPage })

const columns: Columns<Schemas['Workspace']> = [
  {
    id: 'name',
    header: 'Workspace',
    meta: { width: 'minmax(140px, 1fr)' },
    cell: ({ row }) => (
      <To to="/violations" search={{ workspace: [row.original.name] }} fw={550}>
        {row.original.name}
      </To>
    ),
  },
  {
    id: 'namespaces',
    header: 'Namespaces',
    meta: { width: 'minmax(160px, 3fr)' },
    cell: ({ row }) => <span className={classes.line}>{row.original.namespaces.join(', ')}</span>,
  },
  {
    id: 'cluster',
    header: 'Cluster',
    meta: { width: 'minmax(100px, 1fr)', secondary: true },
    cell: ({ row }) => row.original.clusterName,
  },
  {
    id: 'open',
    header: 'Open',
    meta: { width: '90px', right: true },
    cell: ({ row }) => (row.original.open === undefined ? '–' : count(row.original.open)),
  },
]

function WorkspacesPage() {
  const workspaces = useQuery(reading('/v1/workspaces', { query: { limit: 1000 } }))
  return (
    <Page title="Workspaces" about="Tenants: the namespaces that carry their name, and what is open in them.">
      <Partial errors={workspaces.data?.errors} />
      <Paper style={{ overflow: 'hidden' }}>
        <Loaded query={workspaces} lines={6}>
          {(data) => (
            <DataTable
              label="Workspaces"
              columns={columns}
              rows={data.workspaces}
              id={(w) => w.name}
              empty={
                <Empty title="There are no workspaces">
                  `assay create tenants` makes them from a file; docs/workspaces.md says how.
                </Empty>
              }
            />
          )}
        </Loaded>
      </Paper>
    </Page>
  )
}
