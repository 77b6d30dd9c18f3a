import { Group, Pill, UnstyledButton } from '@mantine/core'
import type { ViolationsSearch } from '../../app/router'
import { dimensionNames, dimensions, valueName } from '../../app/dimensions'
import { toggled } from './asked'

/** The filters that are on, each to be taken away. */
export function Chips({ search, change }: { search: ViolationsSearch; change: (search: ViolationsSearch) => void }) {
  const chips: { key: string; text: string; without: ViolationsSearch }[] = dimensions.flatMap((d) =>
    (search[d] ?? []).map((value) => ({
      key: `${d}=${value}`,
      text: `${dimensionNames[d]}: ${valueName(d, value)}`,
      without: toggled(search, d, value),
    })),
  )
  for (const value of search.name ?? []) {
    const names = search.name?.filter((n) => n !== value)
    chips.push({
      key: `name=${value}`,
      text: `Name: ${value}`,
      without: { ...search, name: names && names.length > 0 ? names : undefined },
    })
  }
  for (const value of search.control ?? []) {
    const controls = search.control?.filter((c) => c !== value)
    chips.push({
      key: `control=${value}`,
      text: `Control: ${value}`,
      without: { ...search, control: controls && controls.length > 0 ? controls : undefined },
    })
  }
  if (search.enforced)
    chips.push({
      key: 'enforced',
      text: search.enforced === 'true' ? 'Policy refuses' : 'Policy warns',
      without: { ...search, enforced: undefined },
    })
  if (search.firstFrom)
    chips.push({ key: 'firstFrom', text: `New since ${search.firstFrom}`, without: { ...search, firstFrom: undefined } })
  if (search.firstTo)
    chips.push({ key: 'firstTo', text: `First seen before ${search.firstTo}`, without: { ...search, firstTo: undefined } })
  if (search.exception)
    chips.push({
      key: 'exception',
      text: `Exception: ${search.exception.join(', ')}`,
      without: { ...search, exception: undefined },
    })
  if (search.from) chips.push({ key: 'from', text: `Seen since ${search.from}`, without: { ...search, from: undefined } })
  if (search.to) chips.push({ key: 'to', text: `Seen before ${search.to}`, without: { ...search, to: undefined } })
  if (chips.length === 0) return null
  const { order, ascending, group, status } = search
  return (
    <Group gap={6} px="md" pb="sm">
      {chips.map((chip) => (
        <Pill
          key={chip.key}
          withRemoveButton
          onRemove={() => change(chip.without)}
          removeButtonProps={{ 'aria-label': `Take away ${chip.text}`, 'aria-hidden': false, tabIndex: 0 }}
        >
          {chip.text}
        </Pill>
      ))}
      <UnstyledButton fz="xs" c="var(--mantine-color-anchor)" onClick={() => change({ order, ascending, group, status })}>
        Remove all
      </UnstyledButton>
    </Group>
  )
}
