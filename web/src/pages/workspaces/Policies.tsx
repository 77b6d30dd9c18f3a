import { useQuery } from '@tanstack/react-query'
import { reading, type Schemas } from '../../api/client'
import { type Columns, DataTable } from '../../ui/DataTable'
import { Empty } from '../../ui/Empty'
import { Loaded } from '../../ui/Loaded'
import { Severity } from '../../ui/Marks'
import { Partial } from '../../ui/Partial'
import { Section } from '../../ui/Section'
import { To } from '../../ui/To'

const columns: Columns<Schemas['WorkspacePolicy']> = [
  {
    id: 'name',
    header: 'Policy',
    meta: { width: 'minmax(180px, 3fr)' },
    cell: ({ row: { original: p } }) => (
      <To to="/policies/$name" params={{ name: p.id }} title={p.id}>
        {p.name}
      </To>
    ),
  },
  {
    id: 'category',
    header: 'Category',
    meta: { width: 'minmax(140px, 1fr)', secondary: true },
    cell: ({ row }) => row.original.category,
  },
  { id: 'severity', header: 'Severity', meta: { width: '110px' }, cell: ({ row }) => <Severity value={row.original.severity} /> },
]

/** The policies that are the workspace's own. */
export function Policies({ name }: { name: string }) {
  const query = useQuery(reading('/v1/workspaces/{name}/policies', { path: { name } }))
  return (
    <Section title="Policies of the workspace" flush>
      <Loaded query={query}>
        {(data) => (
          <>
            <Partial errors={data.errors} />
            <DataTable
              label="Policies of the workspace"
              columns={columns}
              rows={data.objects}
              id={(p) => p.id}
              empty={<Empty title="It has no policies of its own">Those of the cluster count for it all the same.</Empty>}
            />
          </>
        )}
      </Loaded>
    </Section>
  )
}
