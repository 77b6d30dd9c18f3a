import { useLocalStorage } from '@mantine/hooks'
import type { ViolationsSearch } from '../../app/router'

export interface View {
  name: string
  search: ViolationsSearch
}

/** Views that everybody has. */
export const usual: View[] = [
  { name: 'Open, the most severe first', search: { order: 'severity' } },
  { name: 'Refused at admission this week', search: { gate: ['admission'], status: ['resolved'], since: '7d' } },
  { name: 'Open where the policy refuses', search: { enforced: 'true', order: 'severity' } },
  { name: 'Accepted by exceptions', search: { status: ['excepted'] } },
]

/** The views that somebody saved, in this browser: the hub keeps nothing of people. */
export function useViews() {
  const [views, setViews] = useLocalStorage<View[]>({
    key: 'assay-violations-views',
    defaultValue: [],
    getInitialValueInEffect: false,
  })
  return {
    views,
    save: (view: View) =>
      setViews((before) => [...before.filter((v) => v.name !== view.name), view].sort((a, b) => a.name.localeCompare(b.name))),
    remove: (name: string) => setViews((before) => before.filter((v) => v.name !== name)),
  }
}
