import { showAppearance } from './appearance.js';

showAppearance();
