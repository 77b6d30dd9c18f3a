import { createLazyRoute } from '@tanstack/react-router'
import { Page } from '../../ui/Page'

export const route = createLazyRoute('/inside/violations/$id')({ component: ViolationPage })

function ViolationPage() {
  return <Page title="Violation">…</Page>
}
