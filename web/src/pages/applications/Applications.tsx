import { Paper, TextInput } from '@mantine/core'
import { IconSearch } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { createLazyRoute } from '@tanstack/react-router'
import { reading, type Schemas } from '../../api/client'
import { type Columns, DataTable } from '../../ui/DataTable'
import { Empty } from '../../ui/Empty'
import { Loaded } from '../../ui/Loaded'
import { count } from '../../ui/number'
import { Page } from '../../ui/Page'
import { To } from '../../ui/To'
import classes from '../violations/columns.module.css'

export const route = createLazyRoute('/inside/applications')({ component: ApplicationsPage })

type Application = Schemas['Application']
const key = (a: Application) => `${a.kind}/${a.namespace}/${a.name}`

function Number({ application, severity }: { application: Application; severity: 'high' | 'medium' | 'low' }) {
  const n = application[severity]
  if (n === 0) return <span className={classes.none}>0</span>
  return (
    <To to="/violations" search={{ app: [key(application)], severity: [severity] }}>
      {count(n)}
    </To>
  )
}

const columns: Columns<Application> = [
  {
    id: 'name',
    header: 'Application',
    meta: { width: 'minmax(200px, 3fr)' },
    cell: ({ row: { original: a } }) => (
      <div className={classes.two}>
        <To to="/violations" search={{ app: [key(a)] }} fw={550}>
          {a.name}
        </To>
        <span className={classes.below}>
          {a.kind} in {a.namespace}
        </span>
      </div>
    ),
  },
  {
    id: 'high',
    header: 'High',
    meta: { width: '90px', right: true },
    cell: ({ row }) => <Number application={row.original} severity="high" />,
  },
  {
    id: 'medium',
    header: 'Medium',
    meta: { width: '90px', right: true, secondary: true },
    cell: ({ row }) => <Number application={row.original} severity="medium" />,
  },
  {
    id: 'low',
    header: 'Low',
    meta: { width: '90px', right: true, secondary: true },
    cell: ({ row }) => <Number application={row.original} severity="low" />,
  },
  { id: 'open', header: 'Open', meta: { width: '90px', right: true }, cell: ({ row }) => <b>{count(row.original.open)}</b> },
]

function ApplicationsPage() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const where = {
    ...(search.cluster ? { cluster: search.cluster } : {}),
    ...(search.workspace ? { workspace: search.workspace } : {}),
  }
  const applications = useQuery(reading('/v1/applications', { query: { ...where, limit: 1000 } }))
  const text = (search.text ?? '').toLowerCase()
  return (
    <Page
      title="Applications"
      about="Flux Kustomizations and HelmReleases that apply what violates policies, those with the most first."
    >
      <Paper style={{ overflow: 'hidden' }}>
        <TextInput
          m="md"
          type="search"
          aria-label="Find an application"
          placeholder="Find an application"
          leftSection={<IconSearch size={15} aria-hidden />}
          value={search.text ?? ''}
          onChange={(event) =>
            void navigate({
              to: '/applications',
              search: { ...search, text: event.currentTarget.value || undefined },
              replace: true,
            })
          }
        />
        <Loaded query={applications} lines={8}>
          {(data) => (
            <DataTable
              label="Applications"
              columns={columns}
              rows={data.items.filter((a) => key(a).toLowerCase().includes(text))}
              id={key}
              empty={<Empty title="No application has open violations" good={text === ''} />}
            />
          )}
        </Loaded>
      </Paper>
    </Page>
  )
}
