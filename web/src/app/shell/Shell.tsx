import { AppShell, Burger, Group, NavLink, ScrollArea, Text, UnstyledButton } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { IconLock, IconSearch } from '@tabler/icons-react'
import { useQueryClient } from '@tanstack/react-query'
import { Link, Outlet, useLocation } from '@tanstack/react-router'
import { lazy, Suspense, useEffect, useRef, useState } from 'react'
import { ChangesContext, useChangeStream } from '../../api/changes'
import { may, useSession } from '../../api/session'
import { Account } from './Account'
import { Live } from './Live'
import { groups } from './navigation'
import classes from './Shell.module.css'

const Palette = lazy(() => import('./Palette').then((m) => ({ default: m.Palette })))

/** What is around all pages: the navigation, the palette, who one is. */
export function Shell() {
  const [opened, { toggle, close }] = useDisclosure()
  const session = useSession()
  const path = useLocation({ select: (location) => location.pathname })
  const stream = useChangeStream(useQueryClient(), may(session, 'violations'))
  const [palette, setPalette] = useState(0)

  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
        event.preventDefault()
        setPalette((asked) => asked + 1)
      }
    }
    window.addEventListener('keydown', listen)
    return () => window.removeEventListener('keydown', listen)
  }, [])

  // A new page is read from its beginning. Without this the focus stays on a link that is gone, or nowhere, and Tab begins at the window's top.
  const main = useRef<HTMLElement>(null)
  const before = useRef(path)
  useEffect(() => {
    if (before.current === path) return
    before.current = path
    if (!main.current?.contains(document.activeElement)) main.current?.focus({ preventScroll: true })
  }, [path])

  const burger = useRef<HTMLButtonElement>(null)
  useEffect(() => {
    if (!opened) return
    const listen = (event: KeyboardEvent) => {
      if (event.key !== 'Escape') return
      close()
      burger.current?.focus()
    }
    window.addEventListener('keydown', listen)
    return () => window.removeEventListener('keydown', listen)
  }, [opened, close])

  return (
    <ChangesContext value={stream}>
      <a href="#main" className={classes.skip}>
        Skip to the content
      </a>
      <AppShell header={{ height: 48 }} navbar={{ width: 216, breakpoint: 'sm', collapsed: { mobile: !opened } }} padding={0}>
        <AppShell.Header className={classes.header}>
          <Group h="100%" px="md" justify="space-between" wrap="nowrap">
            <Group gap="sm" wrap="nowrap">
              <Burger
                ref={burger}
                opened={opened}
                onClick={toggle}
                hiddenFrom="sm"
                size="sm"
                aria-label="Navigation"
                aria-expanded={opened}
                aria-controls="pages"
              />
              <Link to="/" className={classes.brand} aria-label="Assay, overview">
                <img src="/favicon.svg" width={24} height={24} alt="" />
                <Text fw={650} fz={16} visibleFrom="xs">
                  Assay
                </Text>
              </Link>
            </Group>
            <UnstyledButton className={classes.search} onClick={() => setPalette((asked) => asked + 1)}>
              <IconSearch size={15} aria-hidden />
              <span className={classes.searchText}>Find a policy, object or workspace</span>
              <kbd className={classes.key}>Ctrl K</kbd>
            </UnstyledButton>
            <Group gap="xs" wrap="nowrap">
              {may(session, 'violations') && <Live />}
              <Account session={session} />
            </Group>
          </Group>
        </AppShell.Header>
        <AppShell.Navbar id="pages" className={classes.navbar} data-closed={opened ? undefined : true}>
          <ScrollArea type="auto">
            <nav aria-label="Pages">
              {groups.map((group) => (
                <div key={group.label ?? ''} className={classes.group}>
                  {group.label && <div className={classes.groupLabel}>{group.label}</div>}
                  {group.places.map((place) => {
                    const allowed = !place.needs || may(session, place.needs)
                    const active = place.to === '/' ? path === '/' : path === place.to || path.startsWith(`${place.to}/`)
                    return (
                      <NavLink
                        key={place.to}
                        className={classes.link ?? ''}
                        label={place.label}
                        active={active}
                        aria-current={active ? 'page' : undefined}
                        onClick={close}
                        leftSection={<place.icon size={17} stroke={1.7} aria-hidden />}
                        rightSection={allowed ? undefined : <IconLock size={13} aria-label="You have no right to this" />}
                        renderRoot={(props) => <Link to={place.to} {...props} />}
                      />
                    )
                  })}
                </div>
              ))}
            </nav>
          </ScrollArea>
        </AppShell.Navbar>
        <AppShell.Main id="main" ref={main} className={classes.main} tabIndex={-1}>
          <Outlet />
        </AppShell.Main>
      </AppShell>
      {palette > 0 && (
        <Suspense>
          <Palette asked={palette} />
        </Suspense>
      )}
    </ChangesContext>
  )
}
