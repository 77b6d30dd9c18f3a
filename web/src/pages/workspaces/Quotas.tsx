import { Progress, SimpleGrid, Stack, Title } from '@mantine/core'
import type { Schemas } from '../../api/client'
import { Empty } from '../../ui/Empty'
import { Section } from '../../ui/Section'
import { share } from './quantity'
import classes from './Quotas.module.css'

/** What may be used in each namespace, and what is. */
export function Quotas({ quotas }: { quotas: Schemas['Quota'][] }) {
  return (
    <Section title="Quotas">
      {quotas.length === 0 ? (
        <Empty title="Nothing limits what it uses">
          `assay create tenants` makes a ResourceQuota when the tenant has a quota; docs/workspaces.md says how.
        </Empty>
      ) : (
        <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="lg" mt={4}>
          {quotas.map((quota) => (
            <div key={`${quota.namespace}/${quota.name}`}>
              <Title order={3} mb={6}>
                {quota.namespace}
              </Title>
              <Stack gap="xs">
                {Object.entries(quota.hard)
                  .sort(([a], [b]) => a.localeCompare(b))
                  .map(([resource, hard]) => (
                    <Use key={resource} resource={resource} namespace={quota.namespace} used={quota.used[resource]} hard={hard} />
                  ))}
              </Stack>
            </div>
          ))}
        </SimpleGrid>
      )}
    </Section>
  )
}

function Use({
  resource,
  namespace,
  used,
  hard,
}: {
  resource: string
  namespace: string
  used: string | undefined
  hard: string
}) {
  const percent = share(used, hard)
  return (
    <div className={classes.quota}>
      <div className={classes.line}>
        <span>{resource}</span>
        <span className={classes.numbers}>
          {used ?? 'not known'} of {hard}
          {percent !== undefined && ` · ${Math.round(percent)} %`}
        </span>
      </div>
      {percent !== undefined && (
        <Progress.Root size={5}>
          <Progress.Section
            value={Math.min(100, percent)}
            // The words beside say it too.
            color={percent >= 90 ? 'red' : 'accent'}
            aria-label={`${resource} used in ${namespace}, percent`}
          />
        </Progress.Root>
      )}
    </div>
  )
}
