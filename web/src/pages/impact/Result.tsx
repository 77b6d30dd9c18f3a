import { Grid, Stack, Text } from '@mantine/core'
import type { Schemas } from '../../api/client'
import { Counts } from '../../ui/Counts'
import { type Columns, DataTable } from '../../ui/DataTable'
import { Empty } from '../../ui/Empty'
import { Severity } from '../../ui/Marks'
import { count } from '../../ui/number'
import { Partial } from '../../ui/Partial'
import { Time } from '../../ui/Time'
import { To } from '../../ui/To'
import classes from '../../ui/Cells.module.css'

type Change = Schemas['ImpactChange']

const columns: Columns<Change> = [
  {
    id: 'severity',
    header: 'Severity',
    meta: { width: '108px', secondary: true },
    cell: ({ row }) => <Severity value={row.original.severity} />,
  },
  {
    id: 'object',
    header: 'Object',
    meta: { width: 'minmax(180px, 2fr)' },
    cell: ({ row: { original: c } }) => (
      <div className={classes.two}>
        <span>
          {c.object.kind} {c.object.name}
        </span>
        <span className={classes.below}>
          {c.object.namespace || 'no namespace'}
          {c.at && (
            <>
              , sent <Time at={c.at} />
            </>
          )}
        </span>
      </div>
    ),
  },
  {
    id: 'change',
    header: 'Change',
    meta: { width: 'minmax(160px, 1fr)' },
    cell: ({ row: { original: c } }) => `${c.before} → ${c.after}`,
  },
  {
    id: 'why',
    header: 'Why',
    meta: { width: 'minmax(200px, 3fr)', secondary: true },
    cell: ({ row: { original: c } }) => (
      <div className={classes.two}>
        <span title={c.messages.join('\n')}>{c.messages.join('; ') || '–'}</span>
        <span className={classes.below}>
          <To to="/policies/$name" params={{ name: c.policy }}>
            {c.policy}
          </To>
        </span>
      </div>
    ),
  },
]

function rowId(c: Change): string {
  return [c.policy, c.object.apiVersion, c.object.kind, c.object.namespace, c.object.name, c.at ?? ''].join(' ')
}

/** What a change would do: what would be refused, what would violate, and what would not any more. */
export function Result({ impact, errors = impact.errors }: { impact: Schemas['Impact']; errors?: Schemas['ListError'][] }) {
  const parts = [
    {
      title: 'Newly refused',
      about: 'What runs is not stopped; its next change would be refused.',
      rows: impact.worse.filter((c) => c.after === 'refused'),
    },
    { title: 'Newly violating', about: 'It would be warned about.', rows: impact.worse.filter((c) => c.after !== 'refused') },
    { title: 'Better', about: 'It would stand better than it does.', rows: impact.better },
  ].filter((part) => part.rows.length > 0)
  return (
    <Stack gap="md">
      <Text size="sm" role="status">
        {count(impact.objects)} objects judged
        {impact.past > 0 && `, and ${count(impact.past)} that were refused or warned about at admission`}:{' '}
        {count(impact.worse.length)} would stand worse, {count(impact.better.length)} better.
        {impact.leftOut > 0 && ` ${count(impact.leftOut)} more differences are not shown.`}
      </Text>
      <Partial errors={errors} />
      {parts.length === 0 && (
        <Empty title="Nothing would change" good={errors.length === 0}>
          What acts at admission was judged; a policy that no policy set chooses for it refuses nothing.
          {errors.length > 0 && ' See above what could not be compared.'}
        </Empty>
      )}
      {parts.map(({ title, about, rows }) => (
        <section key={title} aria-label={title}>
          <Text fw={600} size="sm">
            {title}: {count(rows.length)}
          </Text>
          <Text size="xs" c="dimmed" mb="xs">
            {about}
          </Text>
          <Grid gap="md">
            <Grid.Col span={{ base: 12, md: 9 }}>
              <DataTable label={title} columns={columns} rows={rows} id={rowId} empty={null} />
            </Grid.Col>
            <Grid.Col span={{ base: 12, md: 3 }}>
              <Counts label={`${title} by namespace`} counts={byNamespace(rows)} />
            </Grid.Col>
          </Grid>
        </section>
      ))}
    </Stack>
  )
}

function byNamespace(changes: Change[]) {
  const counts = new Map<string, number>()
  for (const { object } of changes) counts.set(object.namespace, (counts.get(object.namespace) ?? 0) + 1)
  return [...counts]
    .sort(([a, m], [b, n]) => n - m || a.localeCompare(b))
    .slice(0, 10)
    .map(([namespace, n]) => ({ key: namespace, label: namespace || 'no namespace', count: n }))
}
