// The demo: shows the todos of whoever is signed in on this device, or the sign-in.

import { fill, h } from './element.js';
import { failure } from './failure.js';
import { Screen } from './screen.js';
import { Session } from './session.js';
import { rememberedUser, rememberUser } from './user.js';
import { signInPage } from './view/sign-in.js';
import { Toasts } from './view/toast.js';

const toasts = new Toasts();
const place = h('div', { class: 'place' });

function showSignIn(): void {
  history.replaceState(null, '', location.pathname);
  fill(
    place,
    signInPage((user) => {
      rememberUser(user);
      showTodos(user);
    }),
  );
}

function showTodos(user: string): void {
  const session = new Session(user);
  const screen = new Screen(session, toasts, (removeData) => {
    toasts.hide();
    rememberUser(null);
    session.end(removeData).catch((error: unknown) => toasts.show(failure(error), undefined, 'problem'));
    showSignIn();
  });
  fill(place, screen.node);
}

/** Keeps the application for when there is no network, and says when a newer one has been fetched. */
async function keepOffline(): Promise<void> {
  if (!('serviceWorker' in navigator)) return;
  // The first worker of all takes control too, and is no news.
  let controlled = navigator.serviceWorker.controller !== null;
  navigator.serviceWorker.addEventListener('controllerchange', () => {
    if (controlled) toasts.show('A new version is ready.', { label: 'Reload', run: () => location.reload() });
    controlled = true;
  });
  await navigator.serviceWorker.register('service-worker.js', { updateViaCache: 'none' });
}

document.body.append(place, toasts.node);
const user = rememberedUser();
if (user === null) showSignIn();
else showTodos(user);
keepOffline().catch((error: unknown) => console.warn('The page will not open without a network:', error));
