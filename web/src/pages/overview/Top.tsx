import { SimpleGrid } from '@mantine/core'
import type { Schemas } from '../../api/client'
import type { ViolationsSearch } from '../../app/router'
import { Counts } from '../../ui/Counts'
import { Empty } from '../../ui/Empty'
import { Section } from '../../ui/Section'
import { To } from '../../ui/To'

const titles = { policy: 'policy', workspace: 'workspace', app: 'application', cluster: 'cluster' } as const
type Dimension = keyof typeof titles

interface Properties {
  /** What comes before "policy" and so on in the headings. */
  before: string
  facets: Schemas['Facets']['facets']
  dimensions: Dimension[]
  /** What the counts are of, for the links. */
  filters: ViolationsSearch
}

/** Where most violations are, each name with a link to them. */
export function Top({ before, facets, dimensions, filters }: Properties) {
  return (
    <SimpleGrid cols={{ base: 1, sm: 2, lg: dimensions.length }} spacing="md">
      {dimensions.map((dimension) => {
        // What is in no workspace or application has an empty value, which is no place to name.
        const counts = (facets[dimension] ?? []).filter((c) => c.value !== '').slice(0, 7)
        const title = `${before} ${titles[dimension]}`
        return (
          <Section key={dimension} title={title}>
            {counts.length === 0 ? (
              <Empty title="None" good />
            ) : (
              <Counts
                label={title}
                counts={counts.map((c) => ({
                  key: c.value,
                  count: c.count,
                  label: (
                    <To to="/violations" search={{ ...filters, [dimension]: [c.value] }} title={c.value}>
                      {shown(dimension, c.value)}
                    </To>
                  ),
                }))}
              />
            )}
          </Section>
        )
      })}
    </SimpleGrid>
  )
}

/** In little room what differs comes first; the whole is the link's title. */
function shown(dimension: Dimension, value: string): string {
  if (dimension === 'policy') return value.replace(/^weave\.(policies|templates)\./, '')
  if (dimension === 'app') {
    const [kind, , name] = value.split('/')
    return name ? `${name} (${kind})` : value
  }
  return value
}
