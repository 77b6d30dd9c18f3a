import { Button } from '@mantine/core'
import type { ViolationsSearch } from '../../app/router'
import { Empty } from '../../ui/Empty'

/** An empty list: good news, or filters that mean nothing. */
export function NothingFound({ search, change }: { search: ViolationsSearch; change: (search: ViolationsSearch) => void }) {
  const { order, ascending, group, status, ...filters } = search
  const filtered = Object.keys(filters).length > 0
  if (!filtered && status === undefined) {
    return (
      <Empty title="Nothing is open" good>
        No policy is violated by what you may see. What was resolved or accepted is under the other statuses.
      </Empty>
    )
  }
  return (
    <Empty title="No violations match">
      {filtered && (
        <>
          <p>Take a filter away, or look in a longer time.</p>
          <Button variant="default" onClick={() => change({ order, ascending, group, status })}>
            Remove all filters
          </Button>
        </>
      )}
    </Empty>
  )
}
