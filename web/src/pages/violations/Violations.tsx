import { Button, Drawer, Group, Menu, NativeSelect, Paper, SegmentedControl } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { IconChevronDown, IconDownload, IconFilter } from '@tabler/icons-react'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { createLazyRoute } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { reading } from '../../api/client'
import { groupings, type ViolationsSearch } from '../../app/router'
import { oneOf } from '../../app/search'
import { count } from '../../ui/number'
import { Page } from '../../ui/Page'
import { useNow } from '../../ui/Time'
import { asked, exportAddress, toggled } from './asked'
import { Chips } from './Chips'
import { FacetPanel } from './FacetPanel'
import { Groups } from './Groups'
import { List } from './List'
import classes from './Violations.module.css'
import { Views } from './Views'
import { SearchField } from '../../ui/SearchField'

export const route = createLazyRoute('/inside/violations')({ component: ViolationsPage })

const groupNames: Record<(typeof groupings)[number], string> = {
  policy: 'policy',
  namespace: 'namespace',
  workspace: 'workspace',
  app: 'application',
  kind: 'kind',
  cluster: 'cluster',
  severity: 'severity',
}
const statuses = ['open', 'excepted', 'resolved'] as const

function ViolationsPage() {
  const search: ViolationsSearch = route.useSearch()
  const navigate = route.useNavigate()
  const change = (to: ViolationsSearch) => void navigate({ to: '/violations', search: to })
  const filters = asked(search, useNow())
  const [drawer, { open, close }] = useDisclosure()
  const counted = useQuery({
    ...reading('/v1/facets', { query: { ...filters, dimension: ['gate'] } }),
    placeholderData: keepPreviousData,
  })
  const total = counted.data?.facets['gate']?.reduce((sum, c) => sum + c.count, 0)
  const panel = <FacetPanel search={search} filters={filters} toggle={(d, value) => change(toggled(search, d, value))} />
  const status = search.status?.length === statuses.length ? 'all' : (search.status?.[0] ?? 'open')

  return (
    <Page
      title="Violations"
      beside={<span className={classes.total}>{total === undefined ? '' : count(total)}</span>}
      actions={
        <>
          <Views search={search} change={change} />
          <Menu position="bottom-end">
            <Menu.Target>
              <Button
                variant="default"
                leftSection={<IconDownload size={15} aria-hidden />}
                rightSection={<IconChevronDown size={14} aria-hidden />}
              >
                Export
              </Button>
            </Menu.Target>
            <Menu.Dropdown>
              <Menu.Item component="a" href={exportAddress(filters, 'csv')} download="violations.csv">
                CSV, for spreadsheets
              </Menu.Item>
              <Menu.Item component="a" href={exportAddress(filters, 'ndjson')} download="violations.ndjson">
                NDJSON, a violation a line
              </Menu.Item>
            </Menu.Dropdown>
          </Menu>
        </>
      }
    >
      <div className={classes.columns}>
        <div className={classes.side}>{panel}</div>
        <Paper className={classes.main ?? ''}>
          <Group p="md" pb="sm" gap="sm">
            <TextFilter
              text={search.text ?? ''}
              change={(text) =>
                void navigate({ to: '/violations', search: { ...search, text: text || undefined }, replace: true })
              }
            />
            <Button variant="default" size="sm" hiddenFrom="md" leftSection={<IconFilter size={15} aria-hidden />} onClick={open}>
              Filters
            </Button>
            <SegmentedControl
              size="xs"
              aria-label="Status"
              value={status}
              data={[
                { value: 'open', label: 'Open' },
                { value: 'excepted', label: 'Excepted' },
                { value: 'resolved', label: 'Resolved' },
                { value: 'all', label: 'All' },
              ]}
              onChange={(value) =>
                change({
                  ...search,
                  status: value === 'open' ? undefined : value === 'all' ? [...statuses] : statuses.filter((s) => s === value),
                })
              }
            />
            <NativeSelect
              size="xs"
              aria-label="Last seen"
              value={search.since ?? ''}
              data={[
                { value: '', label: 'Seen at any time' },
                { value: '24h', label: 'Seen in 24 hours' },
                { value: '7d', label: 'Seen in 7 days' },
                { value: '30d', label: 'Seen in 30 days' },
              ]}
              onChange={(event) =>
                change({
                  ...search,
                  since: oneOf({ v: event.currentTarget.value }, 'v', ['24h', '7d', '30d']),
                  from: undefined,
                  to: undefined,
                })
              }
            />
            <NativeSelect
              size="xs"
              aria-label="Group by"
              value={search.group ?? ''}
              data={[{ value: '', label: 'Not grouped' }, ...groupings.map((g) => ({ value: g, label: `By ${groupNames[g]}` }))]}
              onChange={(event) => change({ ...search, group: groupings.find((g) => g === event.currentTarget.value) })}
            />
          </Group>
          <Chips search={search} change={change} />
          {search.group ? (
            <Groups by={search.group} search={search} filters={filters} change={change} />
          ) : (
            <List search={search} filters={filters} total={total} change={change} />
          )}
        </Paper>
      </div>
      <Drawer opened={drawer} onClose={close} title="Filters" closeButtonProps={{ 'aria-label': 'Close' }}>
        {panel}
      </Drawer>
    </Page>
  )
}

/** The text to find. The address follows what is typed after a moment. */
function TextFilter({ text, change }: { text: string; change: (text: string) => void }) {
  const [typed, setTyped] = useState(text)
  const [told, setTold] = useState(text)
  // The address changed otherwise, as by the back button.
  if (told !== text) {
    setTold(text)
    setTyped(text)
  }
  useEffect(() => {
    if (typed === text) return
    const due = setTimeout(() => change(typed), 200)
    return () => clearTimeout(due)
    // `change` is another one at each render.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [typed, text])
  return <SearchField className={classes.search ?? ''} label="Find in messages and names" text={typed} change={setTyped} />
}
