import { Group, MultiSelect, Paper } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { createLazyRoute } from '@tanstack/react-router'
import { reading, type Schemas } from '../../api/client'
import { type Columns, DataTable } from '../../ui/DataTable'
import { Empty } from '../../ui/Empty'
import { Loaded } from '../../ui/Loaded'
import { count } from '../../ui/number'
import { Page } from '../../ui/Page'
import { To } from '../../ui/To'
import classes from '../../ui/Cells.module.css'
import { SearchField } from '../../ui/SearchField'

export const route = createLazyRoute('/inside/applications')({ component: ApplicationsPage })

type Application = Schemas['Application']
const key = (a: Application) => `${a.kind}/${a.namespace}/${a.name}`

/** The clusters that are asked for, which the numbers and the links are about as well. */
function useWhere() {
  const { cluster, workspace } = route.useSearch()
  return { ...(cluster ? { cluster } : {}), ...(workspace ? { workspace } : {}) }
}

function Name({ application: a }: { application: Application }) {
  const { cluster } = useWhere()
  return (
    <div className={classes.two}>
      <To
        to="/applications/$kind/$namespace/$name"
        params={{ kind: a.kind, namespace: a.namespace, name: a.name }}
        search={cluster ? { cluster } : {}}
        fw={550}
      >
        {a.name}
      </To>
      <span className={classes.below}>
        {a.kind} in {a.namespace}
      </span>
    </div>
  )
}

function Number({ application, severity }: { application: Application; severity: 'high' | 'medium' | 'low' }) {
  const where = useWhere()
  const n = application[severity]
  if (n === 0) return <span className={classes.none}>0</span>
  return (
    <To to="/violations" search={{ ...where, app: [key(application)], severity: [severity] }}>
      {count(n)}
    </To>
  )
}

const columns: Columns<Application> = [
  {
    id: 'name',
    header: 'Application',
    meta: { width: 'minmax(200px, 3fr)' },
    cell: ({ row }) => <Name application={row.original} />,
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
  const where = useWhere()
  // What there is to choose from does not depend on what is chosen.
  const facets = useQuery(
    reading('/v1/facets', { query: { status: ['open'], dimension: ['cluster', 'workspace'], limit: 1000 } }),
  )
  const change = (next: typeof search, replace = false) => void navigate({ to: '/applications', search: next, replace })
  const applications = useQuery(reading('/v1/applications', { query: { ...where, limit: 1000 } }))
  const text = (search.text ?? '').toLowerCase()
  return (
    <Page
      title="Applications"
      about="Flux Kustomizations and HelmReleases that apply what violates policies, those with the most first."
    >
      <Paper style={{ overflow: 'hidden' }}>
        <Group m="md" gap="sm" align="flex-start">
          <SearchField
            flex="1 1 220px"
            label="Find an application"
            text={search.text ?? ''}
            change={(text) => change({ ...search, text: text || undefined }, true)}
          />
          {(['cluster', 'workspace'] as const).map((dimension) => {
            const chosen = search[dimension] ?? []
            const there = (facets.data?.facets[dimension] ?? []).map((c) => c.value).filter((v) => v !== '')
            return (
              <MultiSelect
                key={dimension}
                flex="0 1 320px"
                aria-label={`Only of ${dimension}s`}
                placeholder={chosen.length > 0 ? '' : `All ${dimension}s`}
                data={[...new Set([...there, ...chosen])].sort()}
                value={chosen}
                onChange={(values) => change({ ...search, [dimension]: values.length > 0 ? values : undefined })}
                clearable
                clearButtonProps={{ 'aria-label': `All ${dimension}s` }}
              />
            )
          })}
        </Group>
        <Loaded query={applications} lines={8}>
          {(data) => (
            <DataTable
              label="Applications"
              columns={columns}
              rows={data.items.filter((a) => key(a).toLowerCase().includes(text))}
              id={key}
              empty={
                <Empty
                  title={text === '' ? 'No application has open violations' : 'None of that name has open violations'}
                  good
                />
              }
            />
          )}
        </Loaded>
      </Paper>
    </Page>
  )
}
