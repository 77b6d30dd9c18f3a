import { Button, Group, Paper } from '@mantine/core'
import { IconPlus } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { createLazyRoute, Link } from '@tanstack/react-router'
import { reading, type Schemas } from '../../api/client'
import { type Columns, DataTable } from '../../ui/DataTable'
import { Empty } from '../../ui/Empty'
import { Loaded } from '../../ui/Loaded'
import { Ready } from '../../ui/Marks'
import { count } from '../../ui/number'
import { Page } from '../../ui/Page'
import { Partial } from '../../ui/Partial'
import { Time } from '../../ui/Time'
import { To } from '../../ui/To'
import classes from '../../ui/Cells.module.css'
import { SearchField } from '../../ui/SearchField'

export const route = createLazyRoute('/inside/policy-configs')({ component: ConfigsPage })

const columns: Columns<Schemas['PolicyConfigItem']> = [
  {
    id: 'name',
    header: 'Policy config',
    meta: { width: 'minmax(160px, 2fr)' },
    cell: ({ row: { original: c } }) => (
      <To to="/policy-configs/$name" params={{ name: c.name }} search={(all) => all} fw={550}>
        {c.name}
      </To>
    ),
  },
  { id: 'match', header: 'Matches by', meta: { width: '120px' }, cell: ({ row }) => row.original.match },
  {
    id: 'state',
    header: 'State',
    meta: { width: 'minmax(120px, 3fr)', secondary: true },
    cell: ({ row: { original: c } }) => (
      <Group gap="xs" wrap="nowrap" style={{ minWidth: 0 }}>
        <Ready state={c.state} />
        {c.state.ready === 'False' && <span className={classes.line}>{c.state.message}</span>}
      </Group>
    ),
  },
  { id: 'age', header: 'Made', meta: { width: '130px', secondary: true }, cell: ({ row }) => <Time at={row.original.age} /> },
  {
    id: 'policies',
    header: 'Policies',
    meta: { width: '90px', right: true },
    cell: ({ row }) => count(row.original.totalPolicies),
  },
]

function ConfigsPage() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const { text = '', ...asOf } = search
  const configs = useQuery(reading('/v1/policy-configs', { query: { limit: 1000, ...asOf } }))
  return (
    <Page
      title="Policy configs"
      about="They set parameters of policies for workspaces, namespaces, applications or resources. The more precise one wins."
      actions={
        <>
          <Button variant="default" renderRoot={(props) => <Link to="/effective-parameters" {...props} />}>
            Parameters of an object
          </Button>
          <Button
            leftSection={<IconPlus size={15} aria-hidden />}
            renderRoot={(props) => <Link to="/new/policy-config" {...props} />}
          >
            New policy config
          </Button>
        </>
      }
    >
      <Partial errors={configs.data?.errors} />
      <Paper style={{ overflow: 'hidden' }}>
        <SearchField
          m="md"
          label="Find a policy config"
          text={text}
          change={(text) => {
            const now = text
            void navigate({ to: '/policy-configs', search: { ...asOf, ...(now ? { text: now } : {}) }, replace: true })
          }}
        />
        <Loaded query={configs} lines={6}>
          {(data) => (
            <DataTable
              label="Policy configs"
              columns={columns}
              rows={data.policyConfigs.filter((c) => c.name.includes(text.toLowerCase()))}
              id={(c) => c.name}
              empty={<Empty title="No policy configs">Every policy has its own values, for all objects.</Empty>}
            />
          )}
        </Loaded>
      </Paper>
    </Page>
  )
}
