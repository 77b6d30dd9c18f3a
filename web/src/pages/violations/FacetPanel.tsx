import { Checkbox, Skeleton, TextInput, UnstyledButton } from '@mantine/core'
import { IconChevronDown, IconChevronRight } from '@tabler/icons-react'
import { useQueries, useQuery, keepPreviousData } from '@tanstack/react-query'
import { useId, useState } from 'react'
import { reading, type Schemas } from '../../api/client'
import type { Filters } from '../../app/filters'
import type { ViolationsSearch } from '../../app/router'
import { brief } from '../../ui/number'
import { type Dimension, dimensionNames, dimensions, valueName } from '../../app/dimensions'
import classes from './FacetPanel.module.css'

interface Properties {
  search: ViolationsSearch
  filters: Filters
  toggle: (dimension: Dimension, value: string) => void
}

const few = 6
const most = 200
// Those that are open before somebody opens or closes one.
const opened: readonly Dimension[] = ['severity', 'policy', 'workspace', 'namespace', 'cluster']

/**
 * What there is to filter by, with counts. One request counts all dimensions that are not filtered by, and one more each of the others: its
 * counts are those without its own filter, so that another value can be added.
 */
export function FacetPanel({ search, filters, toggle }: Properties) {
  const chosen = dimensions.filter((d) => search[d] !== undefined)
  const free = dimensions.filter((d) => search[d] === undefined)
  const all = useQuery({
    ...reading('/v1/facets', { query: { ...filters, dimension: [...free], limit: most } }),
    placeholderData: keepPreviousData,
    enabled: free.length > 0,
  })
  const others = useQueries({
    queries: chosen.map((d) => ({
      ...reading('/v1/facets', { query: { ...filters, [d]: undefined, dimension: [d], limit: most } }),
      placeholderData: keepPreviousData,
    })),
  })
  return (
    <aside aria-label="Filters" className={classes.panel}>
      {dimensions.map((d) => {
        const i = chosen.indexOf(d)
        const answer = i < 0 ? all.data : others[i]?.data
        return (
          <Facet key={d} dimension={d} counts={answer?.facets[d]} values={search[d] ?? []} toggle={(value) => toggle(d, value)} />
        )
      })}
    </aside>
  )
}

interface FacetProperties {
  dimension: Dimension
  counts: Schemas['Count'][] | undefined
  values: readonly string[]
  toggle: (value: string) => void
}

function Facet({ dimension, counts, values, toggle }: FacetProperties) {
  const [open, setOpen] = useState(values.length > 0 || opened.includes(dimension))
  const [whole, setWhole] = useState(false)
  const [text, setText] = useState('')
  const id = useId()
  const missing = values.filter((value) => counts && !counts.some((c) => c.value === value)).map((value) => ({ value, count: 0 }))
  const found = [...missing, ...(counts ?? [])].filter(
    (c) => text === '' || valueName(dimension, c.value).toLowerCase().includes(text.toLowerCase()),
  )
  const shown = whole ? found : found.slice(0, few).concat(found.slice(few).filter((c) => values.includes(c.value)))
  return (
    <section className={classes.facet}>
      <h2 className={classes.heading}>
        <UnstyledButton className={classes.toggle} aria-expanded={open} aria-controls={id} onClick={() => setOpen(!open)}>
          {open ? <IconChevronDown size={14} aria-hidden /> : <IconChevronRight size={14} aria-hidden />}
          {dimensionNames[dimension]}
          {values.length > 0 && <span className={classes.chosen}>{values.length}</span>}
        </UnstyledButton>
      </h2>
      <div id={id} hidden={!open}>
        {whole && (
          <TextInput
            size="xs"
            mb={4}
            placeholder="Find"
            aria-label={`Find in ${dimensionNames[dimension]}`}
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
          />
        )}
        {!counts && <Skeleton height={60} />}
        <div className={whole ? classes.long : undefined}>
          {shown.map((c) => (
            <Checkbox
              key={c.value}
              size="xs"
              className={classes.value ?? ''}
              classNames={{ body: classes.body ?? '', labelWrapper: classes.labelWrapper ?? '', label: classes.label ?? '' }}
              checked={values.includes(c.value)}
              onChange={() => toggle(c.value)}
              label={
                <>
                  <span className={classes.name} title={c.value}>
                    {valueName(dimension, c.value)}
                  </span>
                  <span className={classes.count}>{brief(c.count)}</span>
                </>
              }
            />
          ))}
        </div>
        {counts && found.length === 0 && <div className={classes.none}>Nothing</div>}
        {(found.length > few || whole) && (
          <UnstyledButton className={classes.more} onClick={() => setWhole(!whole)}>
            {whole ? 'Fewer' : found.length >= most ? 'More' : `All ${found.length}`}
            <span className="hidden-text"> of {dimensionNames[dimension]}</span>
          </UnstyledButton>
        )}
      </div>
    </section>
  )
}
