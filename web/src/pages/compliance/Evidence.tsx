import { Button, Stack, Table, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { createLazyRoute } from '@tanstack/react-router'
import { useRef } from 'react'
import { reading } from '../../api/client'
import { Empty } from '../../ui/Empty'
import { Loaded } from '../../ui/Loaded'
import { Page } from '../../ui/Page'
import { Partial } from '../../ui/Partial'
import { Section } from '../../ui/Section'
import classes from './Evidence.module.css'
import { csv, download, selfContained } from './report'
import { Rows } from '../../ui/Rows'

export const route = createLazyRoute('/inside/compliance/report')({ component: EvidencePage })

function EvidencePage() {
  const { standard, clusterName, at } = route.useSearch()
  const report = useRef<HTMLDivElement>(null)
  const asOf = { ...(clusterName ? { clusterName } : {}), ...(at ? { at } : {}) }
  const standards = useQuery(reading('/v1/standards', { query: asOf }))
  const policies = useQuery(reading('/v1/policies', { query: { ...asOf, ...(standard ? { standard } : {}), limit: 1000 } }))
  const exceptions = useQuery(reading('/v1/exceptions', { query: { ...asOf, limit: 1000 } }))
  // The hub's own cluster has no name in the address: its policies say it.
  const cluster = clusterName ?? policies.data?.policies[0]?.clusterName
  const audits = useQuery({
    ...reading('/v1/audits', { query: { ...(cluster ? { cluster: [cluster] } : {}), limit: 100 } }),
    enabled: cluster !== undefined,
  })

  const chosen = (standards.data?.standards ?? []).filter((s) => standard?.includes(s.id) ?? true)
  const controls = chosen.flatMap((s) =>
    s.controls.map((c) => [
      s.id,
      c.id,
      `${c.inForce} of ${c.policies.length}`,
      c.open === undefined ? 'not known' : String(c.open),
      c.policies.join(' '),
    ]),
  )
  const inForce = (policies.data?.policies ?? []).map((p) => [p.id, p.name, p.severity, p.modes.join(', ') || 'not in force'])
  const accepted = (exceptions.data?.exceptions ?? []).map((e) => [
    e.name,
    e.policies.join(' '),
    e.reason,
    e.expires ?? 'does not expire',
  ])
  const last = (audits.data?.items ?? []).filter((a) => at === undefined || a.start <= at).slice(0, 5)
  const passes = last.map((a) => [a.start, a.end ?? 'not known', a.trigger, String(a.failures)])
  const errors = [...(standards.data?.errors ?? []), ...(policies.data?.errors ?? []), ...(exceptions.data?.errors ?? [])]
  // What is not read whole is no evidence: no file is made of it.
  const whole =
    [standards, policies, exceptions, audits].every((q) => q.isSuccess) &&
    !policies.data?.nextPageToken &&
    !exceptions.data?.nextPageToken
  // A file must say by itself when it was made and what it is about.
  const made = new Date(Math.min(...[standards, policies, exceptions, audits].map((q) => q.dataUpdatedAt))).toISOString()
  const about = `${standard ? `Standards: ${standard.join(', ')}` : 'All standards'}.${whole ? ` Read from the hub at ${made}.` : ''}`
  const title = `Evidence report, ${cluster ?? 'the hub’s cluster'}, ${at ?? 'as it is now'}`
  const name = `evidence-${(cluster ?? 'hub').replace(/[^\w.-]/g, '_')}-${(at ?? new Date().toISOString()).slice(0, 10)}`

  const tables: [
    title: string,
    head: string[],
    rows: string[][],
    query: typeof standards | typeof policies | typeof exceptions | typeof audits,
  ][] = [
    ['Controls', ['Standard', 'Control', 'Policies in force', 'Open violations now', 'Policies'], controls, standards],
    ['Policies', ['Policy', 'Name', 'Severity', 'Acts in'], inForce, policies],
    ['Exceptions', ['Exception', 'Policies', 'Reason', 'Expires'], accepted, exceptions],
    ['Last audits', ['Began', 'Ended', 'Because', 'Not looked at'], passes, audits],
  ]
  return (
    <Page
      title={title}
      above={[{ label: 'Compliance', to: '/compliance' }]}
      about={about}
      actions={
        <>
          <Button variant="default" disabled={!whole} onClick={() => window.print()}>
            Print or save as PDF
          </Button>
          <Button
            variant="default"
            disabled={!whole}
            onClick={() => report.current && download(`${name}.html`, 'text/html', selfContained(title, about, report.current))}
          >
            HTML
          </Button>
          <Button
            variant="default"
            disabled={!whole}
            onClick={() =>
              download(
                `${name}.csv`,
                'text/csv',
                csv([
                  [title],
                  [about],
                  ...unknown.map((u) => [u]),
                  ...tables.flatMap(([t, head, rows]) => [[], [t], head, ...rows]),
                ]),
              )
            }
          >
            CSV
          </Button>
        </>
      }
    >
      <Stack gap="md" ref={report}>
        <Section title="What is not known">
          <Stack gap={4}>
            {unknown.map((u) => (
              <Text key={u} size="sm">
                {u}
              </Text>
            ))}
          </Stack>
        </Section>
        <Partial errors={errors} />
        {tables.map(([heading, head, rows, query]) => (
          <Section key={heading} title={heading} flush>
            <Loaded
              query={query === audits && cluster === undefined ? (policies as typeof standards) : (query as typeof standards)}
            >
              {() => (rows.length === 0 ? <Empty title="None" /> : <Texts label={heading} head={head} rows={rows} />)}
            </Loaded>
          </Section>
        ))}
      </Stack>
    </Page>
  )
}

const unknown = [
  'Open violations are those at the time when this page was made. Which were open at a date in the past is not known.',
  'Policies and exceptions are those that the cluster’s agent told the hub of. What was there before it did so first is not known.',
  'Audits are the newest that the hub knows, of the last hundred. A policy in force does not say that each object was looked at.',
]

function Texts({ label, head, rows }: { label: string; head: string[]; rows: string[][] }) {
  return (
    <Rows label={label} head={head} minWidth={640} className={classes.rows}>
      <Table.Tbody>
        {rows.map((row) => (
          <Table.Tr key={row.join(' ')}>
            {row.map((text, i) => (
              <Table.Td key={i}>{text}</Table.Td>
            ))}
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Rows>
  )
}
