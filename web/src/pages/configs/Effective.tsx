import { Autocomplete, Button, Checkbox, Code, Group, Paper, Stack, Text, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { createLazyRoute } from '@tanstack/react-router'
import { reading, type Schemas } from '../../api/client'
import { type Columns, DataTable } from '../../ui/DataTable'
import { Empty } from '../../ui/Empty'
import { Loaded } from '../../ui/Loaded'
import { Page } from '../../ui/Page'
import { Partial } from '../../ui/Partial'
import { To } from '../../ui/To'
import classes from '../../ui/Cells.module.css'
import { apiVersionOf, kinds, levels } from './form'

export const route = createLazyRoute('/inside/effective-parameters')({ component: EffectivePage })

type Row = Schemas['EffectiveParameter'] & { policy: Schemas['EffectivePolicy'] }

const columns: Columns<Row> = [
  {
    id: 'parameter',
    header: 'Parameter',
    meta: { width: 'minmax(170px, 1.5fr)' },
    cell: ({ row: { original: r } }) => (
      <div className={classes.two}>
        <span>{r.name}</span>
        <span className={classes.below}>
          <To to="/policies/$name" params={{ name: r.policy.id }}>
            {r.policy.name}
          </To>
        </span>
      </div>
    ),
  },
  {
    id: 'value',
    header: 'In effect',
    meta: { width: 'minmax(120px, 1fr)' },
    cell: ({ row }) => <Value value={row.original.value} />,
  },
  {
    id: 'chain',
    header: 'Set by, each winning over those before',
    meta: { width: 'minmax(200px, 2fr)', secondary: true },
    cell: ({ row: { original: r } }) => <Chain parameter={r} />,
  },
]

function Value({ value }: { value: unknown }) {
  const text = JSON.stringify(value)
  return (
    <span className={classes.line} title={text}>
      <Code>{text}</Code>
    </span>
  )
}

function Chain({ parameter }: { parameter: Schemas['EffectiveParameter'] }) {
  if (parameter.setBy.length === 0) return <span className={classes.none}>the policy itself</span>
  return (
    <Stack gap={2} py={4} style={{ minWidth: 0 }}>
      <Group gap={6} wrap="nowrap">
        <span className={classes.none}>policy</span> <Value value={parameter.default} />
      </Group>
      {parameter.setBy.map((s) => (
        <Group gap={6} wrap="nowrap" key={`${s.config} ${s.level}`}>
          <To to="/policy-configs/$name" params={{ name: s.config }}>
            {s.config}
          </To>
          <span className={classes.none}>{levels[s.level]}</span> <Value value={s.value} />
        </Group>
      ))}
    </Stack>
  )
}

function EffectivePage() {
  const { only, ...asked } = route.useSearch()
  const navigate = route.useNavigate()
  const complete = asked.kind !== undefined && asked.name !== undefined
  const found = useQuery({ ...reading('/v1/parameters', { query: { limit: 1000, ...asked } }), enabled: complete })
  return (
    <Page
      title="Parameters of an object"
      above={[{ label: 'Policy configs', to: '/policy-configs' }]}
      about="Which values policies judge an object by, and which policy configs set them. The object need not exist."
    >
      <Asked key={JSON.stringify(asked)} />
      {complete && (
        <Loaded query={found} lines={8}>
          {(data) => (
            <Stack gap="md">
              <Partial errors={data.errors} />
              <Text size="sm" role="status">
                {`${data.object.kind} ${data.object.name}`} in cluster {data.clusterName}
                {data.exists === false && ' (it is not there now)'}
                {data.workspace ? `, of workspace ${data.workspace}` : ', of no workspace'}
                {data.app && `, applied by ${data.app}`}.{' '}
                {data.configs.length === 0 ? 'No policy config matches it.' : `Matched by: ${matched(data.configs)}.`}
              </Text>
              <Paper style={{ overflow: 'hidden' }}>
                <Checkbox
                  m="md"
                  label="Only what a policy config sets"
                  checked={only !== undefined}
                  onChange={(event) =>
                    void navigate({
                      to: '/effective-parameters',
                      search: { ...asked, ...(event.currentTarget.checked ? { only: 'set' as const } : {}) },
                      replace: true,
                    })
                  }
                />
                <DataTable
                  label="Parameters in effect"
                  columns={columns}
                  rows={data.policies
                    .flatMap((policy) => policy.parameters.map((p) => ({ ...p, policy })))
                    .filter((row) => only === undefined || row.setBy.length > 0)}
                  id={(row) => `${row.policy.id} ${row.name}`}
                  empty={<Empty title="None">No policy for objects of this kind has such a parameter.</Empty>}
                />
              </Paper>
            </Stack>
          )}
        </Loaded>
      )}
    </Page>
  )
}

function matched(configs: Schemas['MatchingConfig'][]): string {
  return configs.map((c) => `${c.name} (${levels[c.level]})`).join(', ')
}

/** The object that is asked about. It goes into the address when it is sent, so that half a name asks nothing. */
function Asked() {
  const asked = route.useSearch()
  const navigate = route.useNavigate()
  return (
    <Paper
      component="form"
      p="md"
      onSubmit={(event: React.SubmitEvent<HTMLFormElement>) => {
        event.preventDefault()
        const form = new FormData(event.currentTarget)
        const of = (field: string) => {
          const value = form.get(field)
          return typeof value === 'string' && value.trim() !== '' ? { [field]: value.trim() } : {}
        }
        const { clusterName, only } = asked
        const kind = form.get('kind')
        const known = typeof kind === 'string' ? apiVersionOf(kind.trim()) : undefined
        void navigate({
          to: '/effective-parameters',
          search: {
            ...(clusterName ? { clusterName } : {}),
            ...(only ? { only } : {}),
            ...(known ? { apiVersion: known } : {}),
            ...of('apiVersion'),
            ...of('kind'),
            ...of('namespace'),
            ...of('name'),
            ...of('app'),
          },
        })
      }}
    >
      <Group gap="sm" align="flex-end">
        <Autocomplete name="kind" label="Kind" required data={kinds} defaultValue={asked.kind ?? 'Deployment'} w={170} />
        <TextInput
          name="apiVersion"
          label="API version"
          placeholder="that of the kind"
          defaultValue={asked.kind && apiVersionOf(asked.kind) ? '' : (asked.apiVersion ?? '')}
          w={150}
        />
        <TextInput name="namespace" label="Namespace" defaultValue={asked.namespace ?? ''} style={{ flex: '1 1 140px' }} />
        <TextInput name="name" label="Name" required defaultValue={asked.name ?? ''} style={{ flex: '1 1 140px' }} />
        <TextInput
          name="app"
          label="Application"
          placeholder="as the cluster has it"
          pattern="(Kustomization|HelmRelease)/[^/]+/[^/]+"
          title="Kustomization or HelmRelease, its namespace and its name, with / between"
          defaultValue={asked.app ?? ''}
          style={{ flex: '2 1 180px' }}
        />
        <Button type="submit">Show</Button>
      </Group>
    </Paper>
  )
}
