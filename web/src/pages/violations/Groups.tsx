import { Skeleton, UnstyledButton } from '@mantine/core'
import { IconChevronDown, IconChevronRight } from '@tabler/icons-react'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useId, useState } from 'react'
import { reading } from '../../api/client'
import type { Filters } from '../../app/filters'
import type { groupings, ViolationsSearch } from '../../app/router'
import { Loaded } from '../../ui/Loaded'
import { Severity } from '../../ui/Marks'
import { count, plural } from '../../ui/number'
import { Time } from '../../ui/Time'
import { To } from '../../ui/To'
import { valueName } from '../../app/dimensions'
import classes from './Groups.module.css'
import { NothingFound } from './NothingFound'

type Grouping = (typeof groupings)[number]

interface Properties {
  by: Grouping
  search: ViolationsSearch
  filters: Filters
  change: (search: ViolationsSearch) => void
}

const few = 10

/** The violations by what they have in common, those with the most first. What is in a group is read when it is opened. */
export function Groups({ by, search, filters, change }: Properties) {
  const counted = useQuery({
    ...reading('/v1/facets', { query: { ...filters, dimension: [by], limit: 1000 } }),
    placeholderData: keepPreviousData,
  })
  return (
    <Loaded query={counted} lines={8}>
      {(data) => {
        const groups = data.facets[by] ?? []
        if (groups.length === 0) return <NothingFound search={search} change={change} />
        return (
          <ul className={classes.groups}>
            {groups.map((group) => (
              <Group key={group.value} by={by} value={group.value} total={group.count} search={search} filters={filters} />
            ))}
          </ul>
        )
      }}
    </Loaded>
  )
}

function Group({ by, value, total, search, filters }: Omit<Properties, 'change'> & { value: string; total: number }) {
  const [open, setOpen] = useState(false)
  const id = useId()
  const first = useQuery({
    ...reading('/v1/violations', { query: { ...filters, [by]: [value], order: 'severity', limit: few } }),
    enabled: open,
  })
  return (
    <li className={classes.group}>
      <UnstyledButton className={classes.head} aria-expanded={open} aria-controls={id} onClick={() => setOpen(!open)}>
        {open ? <IconChevronDown size={15} aria-hidden /> : <IconChevronRight size={15} aria-hidden />}
        <span className={classes.name}>{by === 'severity' ? <Severity value={value} /> : valueName(by, value)}</span>
        <span className={classes.count}>{count(total)}</span>
      </UnstyledButton>
      {open && (
        <div id={id} className={classes.body}>
          {first.isPending && <Skeleton height={80} />}
          {first.data?.items.map((v) => (
            <div key={v.id} className={classes.line}>
              <Severity value={v.policy.severity} />
              <To to="/violations/$id" params={{ id: v.id }}>
                {by === 'policy' ? `${v.object.kind} ${v.object.name}` : v.policy.name}
              </To>
              <span className={classes.where}>
                {[by === 'policy' ? '' : `${v.object.kind} ${v.object.name}`, v.object.namespace, v.cluster]
                  .filter(Boolean)
                  .join(' · ')}
              </span>
              <Time at={v.lastSeen} />
            </div>
          ))}
          <div className={classes.all}>
            <To to="/violations" search={{ ...search, group: undefined, [by]: [value] }}>
              {total > few ? `Show all ${count(total)}` : `Show ${plural(total, 'violation')} as a list`}
            </To>
          </div>
        </div>
      )}
    </li>
  )
}
