import { Paper } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { createLazyRoute } from '@tanstack/react-router'
import { reading, type Schemas } from '../../api/client'
import { type Columns, DataTable } from '../../ui/DataTable'
import { Empty } from '../../ui/Empty'
import { Loaded } from '../../ui/Loaded'
import { Ready } from '../../ui/Marks'
import { count } from '../../ui/number'
import { Page } from '../../ui/Page'
import { Partial } from '../../ui/Partial'
import classes from '../../ui/Cells.module.css'

export const route = createLazyRoute('/inside/policy-sets')({ component: SetsPage })

const columns: Columns<Schemas['PolicySet']> = [
  {
    id: 'name',
    header: 'Policy set',
    meta: { width: 'minmax(160px, 2fr)' },
    cell: ({ row: { original: s } }) => (
      <div className={classes.two}>
        <b>{s.title ?? s.name}</b>
        <span className={classes.below}>{s.name}</span>
      </div>
    ),
  },
  { id: 'mode', header: 'Acts at', meta: { width: '120px' }, cell: ({ row }) => row.original.mode || 'nothing' },
  {
    id: 'filters',
    header: 'Chooses',
    meta: { width: 'minmax(180px, 3fr)', secondary: true },
    cell: ({ row }) => (
      <span className={classes.line}>
        {Object.entries(row.original.filters)
          .map(([name, values]) => `${name}: ${[values].flat().join(', ')}`)
          .join('; ')}
      </span>
    ),
  },
  {
    id: 'state',
    header: 'State',
    meta: { width: '120px', secondary: true },
    cell: ({ row }) => <Ready state={row.original.state} />,
  },
  { id: 'policies', header: 'Policies', meta: { width: '90px', right: true }, cell: ({ row }) => count(row.original.policies) },
]

function SetsPage() {
  const sets = useQuery(reading('/v1/policy-sets', { query: { limit: 1000 } }))
  return (
    <Page title="Policy sets" about="They choose which policies act at which gate. Without any, every policy acts at every gate.">
      <Partial errors={sets.data?.errors} />
      <Paper style={{ overflow: 'hidden' }}>
        <Loaded query={sets} lines={6}>
          {(data) => (
            <DataTable
              label="Policy sets"
              columns={columns}
              rows={data.policySets}
              id={(s) => s.name}
              empty={<Empty title="There are none">So every policy acts at every gate.</Empty>}
            />
          )}
        </Loaded>
      </Paper>
    </Page>
  )
}
