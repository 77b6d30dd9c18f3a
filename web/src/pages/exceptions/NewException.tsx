import { Alert, Button, Checkbox, Grid, Radio, Stack, Text, Textarea, TextInput } from '@mantine/core'
import { IconDownload, IconInfoCircle } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { createLazyRoute } from '@tanstack/react-router'
import { useState } from 'react'
import { reading, type Schemas } from '../../api/client'
import { oneOf } from '../../app/search'
import { CodeView } from '../../ui/CodeView'
import { Copy } from '../../ui/Copy'
import { Empty } from '../../ui/Empty'
import { Loaded } from '../../ui/Loaded'
import { plural } from '../../ui/number'
import { Page } from '../../ui/Page'
import { Section } from '../../ui/Section'
import { useNow } from '../../ui/Time'
import { To } from '../../ui/To'
import { dayIn, defaultDays, exceptionYAML, isName, nameOf, type Scope, scopeIds, scopesOf } from './exception'

export const route = createLazyRoute('/inside/new/exception')({ component: NewExceptionPage })

const above = [{ label: 'Exceptions', to: '/exceptions' }]

function NewExceptionPage() {
  const { violation: id = '' } = route.useSearch()
  const violation = useQuery({ ...reading('/v1/violations/{id}', { path: { id } }), enabled: id !== '' })
  return (
    <Page
      title="New exception"
      above={above}
      about="What you write here becomes a file. It holds once it is committed to Git beside the policies, and the cluster has applied it; this page changes nothing."
    >
      {id === '' ? (
        <Empty title="Begin with a violation">
          Open one of the <To to="/violations">violations</To> and choose “Make an exception”.
        </Empty>
      ) : (
        // Another violation is another exception: nothing that was written is kept.
        <Loaded query={violation} lines={8}>
          {(v) => <Form key={v.id} violation={v} />}
        </Loaded>
      )}
    </Page>
  )
}

function Form({ violation: v }: { violation: Schemas['OneViolation'] }) {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const now = useNow()
  const [name, setName] = useState(() => nameOf(v))
  const [policies, setPolicies] = useState([v.policy.id])
  const [reason, setReason] = useState('')
  const [owner, setOwner] = useState('')
  const [ticket, setTicket] = useState('')
  const [until, setUntil] = useState(() => dayIn(defaultDays(v.policy.severity), now))
  const { scopes, suggested } = scopesOf(v)
  const scope = scopes.find((s) => s.id === search.scope) ?? scopes.find((s) => s.id === suggested)
  if (!scope) return null

  const missing = [
    !isName(name) && 'a name of small letters, digits, dots and dashes',
    policies.length === 0 && 'a policy',
    reason.trim() === '' && 'a reason',
    until !== '' && until < dayIn(0, now) && 'a day that is not over',
  ].filter((m) => m !== false)
  const text = exceptionYAML({ name, policies, match: scope.match, reason, owner, ticket, until })

  return (
    <Grid gap="md">
      <Grid.Col span={{ base: 12, lg: 6 }}>
        <Stack gap="md">
          <Section title="What is accepted">
            <Stack gap="md">
              <Radio.Group
                label="For which objects"
                description="The narrowest that lasts is suggested."
                value={scope.id}
                onChange={(value) =>
                  void navigate({
                    to: '/new/exception',
                    search: { ...search, scope: oneOf({ value }, 'value', scopeIds) },
                    replace: true,
                  })
                }
              >
                <Stack gap="xs" mt="xs">
                  {scopes.map((s) => (
                    <Radio
                      key={s.id}
                      value={s.id}
                      label={s.id === suggested ? `${s.label} (suggested)` : s.label}
                      description={s.why}
                    />
                  ))}
                </Stack>
              </Radio.Group>
              <Policies violation={v} chosen={policies} change={setPolicies} />
              <Reach scope={scope} policies={policies} />
            </Stack>
          </Section>
          <Section title="Why, by whom and until when">
            <Stack gap="sm">
              <Textarea
                label="Reason"
                description="Auditors read it."
                required
                autosize
                minRows={2}
                value={reason}
                onChange={(event) => setReason(event.currentTarget.value)}
              />
              <TextInput
                label="Owner"
                description="Who answers for it: a team or a person."
                value={owner}
                onChange={(event) => setOwner(event.currentTarget.value)}
              />
              <TextInput label="Ticket" value={ticket} onChange={(event) => setTicket(event.currentTarget.value)} />
              <TextInput
                type="date"
                label="Until the end of (UTC)"
                description={
                  until === ''
                    ? 'Without a day it holds for ever, and nobody looks at it again.'
                    : 'The violation is open again on the day after.'
                }
                min={dayIn(0, now)}
                value={until}
                onChange={(event) => setUntil(event.currentTarget.value)}
              />
              <TextInput label="Name" required value={name} onChange={(event) => setName(event.currentTarget.value)} />
            </Stack>
          </Section>
        </Stack>
      </Grid.Col>
      <Grid.Col span={{ base: 12, lg: 6 }}>
        <Section
          title="The file"
          actions={
            missing.length === 0 && (
              <>
                <Copy text={text} label="Copy YAML" />
                <Button
                  component="a"
                  size="compact-xs"
                  variant="default"
                  href={`data:application/yaml;charset=utf-8,${encodeURIComponent(text)}`}
                  download={`${name}.yaml`}
                  leftSection={<IconDownload size={13} aria-hidden />}
                >
                  Download
                </Button>
              </>
            )
          }
        >
          <Stack gap="sm">
            <Text size="sm" role="status">
              {missing.length === 0
                ? `Commit it to Git beside the policies of cluster ${v.cluster}. Whoever reviews it there decides.`
                : `Still missing: ${missing.join(', ')}.`}
            </Text>
            <CodeView text={text} language="yaml" label="Exception in YAML" />
          </Stack>
        </Section>
      </Grid.Col>
    </Grid>
  )
}

/** The policy of the violation, and the others that the object violates: one exception may be for several. */
function Policies({
  violation: v,
  chosen,
  change,
}: {
  violation: Schemas['OneViolation']
  chosen: string[]
  change: (policies: string[]) => void
}) {
  const { kind, name, namespace } = v.object
  const others = useQuery(
    reading('/v1/facets', {
      query: {
        dimension: ['policy'],
        limit: 50,
        status: ['open'],
        cluster: [v.cluster],
        kind: [kind],
        name: [name],
        namespace: [namespace],
      },
    }),
  )
  const found = (others.data?.facets.policy ?? []).map((policy) => policy.value)
  const ids = [v.policy.id, ...found.filter((id) => id !== v.policy.id)]
  const tenancy = (v.document as typeof v.document | null)?.validation.policy.tags?.includes('tenancy')
  return (
    <>
      <Checkbox.Group
        label="From which policies"
        description="This one, or others that the object violates too."
        value={chosen}
        onChange={change}
      >
        <Stack gap={6} mt="xs">
          {ids.map((id) => (
            <Checkbox key={id} value={id} label={id} />
          ))}
        </Stack>
      </Checkbox.Group>
      {tenancy && (
        <Alert color="yellow" icon={<IconInfoCircle />} title="This policy keeps tenants apart">
          An exception from it opens the wall between workspaces.
        </Alert>
      )}
    </>
  )
}

/** How many open violations the exception would accept as things are. */
function Reach({ scope, policies }: { scope: Scope; policies: string[] }) {
  const asked = scope.filters !== undefined && policies.length > 0
  const counts = useQuery({
    ...reading('/v1/facets', {
      query: { ...scope.filters, policy: policies, status: ['open'], dimension: ['policy'], limit: 1000 },
    }),
    enabled: asked,
  })
  if (!asked || !counts.data) return null
  // The counts of a dimension are told without its own filter.
  const sum = (counts.data.facets.policy ?? [])
    .filter((policy) => policies.includes(policy.value))
    .reduce((all, policy) => all + policy.count, 0)
  return (
    <Text size="sm" role="status">
      <To to="/violations" search={{ ...scope.filters, policy: policies }}>
        As things are it would accept {plural(sum, 'open violation')}
      </To>
    </Text>
  )
}
