create table if not exists orders (
  id serial primary key,
  what text not null,
  receipt text not null,
  packed boolean not null default false
);
