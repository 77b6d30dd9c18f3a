import { SimpleGrid } from '@mantine/core'
import type { Schemas } from '../../api/client'
import type { ViolationsSearch } from '../../app/router'
import { Empty } from '../../ui/Empty'
import { Section } from '../../ui/Section'
import { Breakdown } from '../../ui/Breakdown'
import { type Dimension, dimensionNames } from '../../app/dimensions'

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
        const title = `${before} ${dimensionNames[dimension].toLowerCase()}`
        return (
          <Section key={dimension} title={title}>
            {counts.length === 0 ? (
              <Empty title="None" good />
            ) : (
              <Breakdown dimension={dimension} counts={counts} filters={filters} />
            )}
          </Section>
        )
      })}
    </SimpleGrid>
  )
}
