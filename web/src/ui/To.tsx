import { Anchor, type AnchorProps } from '@mantine/core'
import { Link, type LinkProps } from '@tanstack/react-router'
import type { ReactNode } from 'react'

/** A link to a page, with the router's typed `to`, `params` and `search`. */
export function To({
  children,
  fz,
  fw,
  c,
  title,
  ...link
}: LinkProps & Pick<AnchorProps, 'fz' | 'fw' | 'c'> & { children: ReactNode; title?: string }) {
  const look = { fz, fw, c, title }
  return (
    <Anchor
      inherit
      {...Object.fromEntries(Object.entries(look).filter(([, v]) => v !== undefined))}
      renderRoot={(props) => <Link {...link} {...props} />}
    >
      {children}
    </Anchor>
  )
}
