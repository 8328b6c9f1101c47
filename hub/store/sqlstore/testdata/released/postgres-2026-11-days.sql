SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.asked (
    id integer NOT NULL,
    site text NOT NULL COLLATE pg_catalog."C",
    touchpoint text NOT NULL COLLATE pg_catalog."C",
    survey text NOT NULL COLLATE pg_catalog."C",
    scale text NOT NULL COLLATE pg_catalog."C"
);
ALTER TABLE public.asked ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.asked_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.cell (
    bucket bigint NOT NULL,
    asked integer NOT NULL,
    s0 integer NOT NULL,
    s1 integer NOT NULL,
    s2 integer NOT NULL,
    s3 integer NOT NULL,
    s4 integer NOT NULL,
    s5 integer NOT NULL,
    s6 integer NOT NULL,
    s7 integer NOT NULL,
    s8 integer NOT NULL,
    s9 integer NOT NULL,
    s10 integer NOT NULL,
    test integer NOT NULL,
    technician integer NOT NULL,
    cleaning integer NOT NULL,
    stuck integer NOT NULL,
    closed integer NOT NULL,
    play integer NOT NULL,
    undated integer NOT NULL,
    presses integer NOT NULL,
    aside_presses integer NOT NULL,
    mixed integer NOT NULL,
    insistent integer NOT NULL
)
WITH (fillfactor='80');
CREATE TABLE public.checkpoint (
    seq bigint NOT NULL,
    source integer NOT NULL,
    day integer NOT NULL,
    hash bytea NOT NULL
);
CREATE TABLE public.comment (
    seq bigint NOT NULL,
    source integer NOT NULL,
    salt bytea NOT NULL,
    text bytea NOT NULL
);
CREATE TABLE public.day (
    day integer NOT NULL,
    asked integer NOT NULL,
    s0 integer NOT NULL,
    s1 integer NOT NULL,
    s2 integer NOT NULL,
    s3 integer NOT NULL,
    s4 integer NOT NULL,
    s5 integer NOT NULL,
    s6 integer NOT NULL,
    s7 integer NOT NULL,
    s8 integer NOT NULL,
    s9 integer NOT NULL,
    s10 integer NOT NULL,
    test integer NOT NULL,
    technician integer NOT NULL,
    cleaning integer NOT NULL,
    stuck integer NOT NULL,
    closed integer NOT NULL,
    play integer NOT NULL,
    undated integer NOT NULL,
    presses integer NOT NULL,
    aside_presses integer NOT NULL,
    mixed integer NOT NULL,
    insistent integer NOT NULL
)
WITH (fillfactor='50');
CREATE TABLE public.day_zone (
    rules bigint NOT NULL,
    site text NOT NULL COLLATE pg_catalog."C",
    zone text NOT NULL
)
WITH (fillfactor='70');
CREATE TABLE public.gap (
    first bigint NOT NULL,
    last bigint NOT NULL,
    at bigint NOT NULL,
    source integer NOT NULL,
    why text NOT NULL
);
CREATE TABLE public.kiosk (
    session bigint NOT NULL,
    epoch bigint NOT NULL,
    next bigint NOT NULL,
    queued bigint NOT NULL,
    heard_at bigint NOT NULL,
    last_at bigint NOT NULL,
    online boolean NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    version text NOT NULL
)
WITH (fillfactor='50');
CREATE TABLE public.life (
    pressed_at bigint NOT NULL,
    stored_at bigint NOT NULL,
    site text NOT NULL COLLATE pg_catalog."C"
)
WITH (fillfactor='50');
CREATE TABLE public.meta (
    name text NOT NULL COLLATE pg_catalog."C",
    value text NOT NULL
);
CREATE TABLE public.published (
    at bigint NOT NULL,
    site text NOT NULL COLLATE pg_catalog."C",
    day text NOT NULL COLLATE pg_catalog."C",
    body bytea NOT NULL
)
WITH (fillfactor='70');
CREATE TABLE public.quarantine (
    seq bigint NOT NULL,
    at bigint NOT NULL,
    source integer NOT NULL,
    body bytea NOT NULL,
    why text NOT NULL
);
CREATE TABLE public.rebuild (
    done bigint NOT NULL,
    total bigint NOT NULL,
    one integer NOT NULL,
    id text NOT NULL,
    phase text NOT NULL,
    why text NOT NULL,
    CONSTRAINT rebuild_one_check CHECK ((one = 1))
)
WITH (fillfactor='50');
CREATE TABLE public.record (
    seq bigint NOT NULL,
    day integer NOT NULL,
    source integer NOT NULL,
    body bytea NOT NULL
)
PARTITION BY RANGE (day);
CREATE TABLE public.record_2026_03 (
    seq bigint NOT NULL,
    day integer NOT NULL,
    source integer NOT NULL,
    body bytea NOT NULL
);
CREATE TABLE public.record_2026_04 (
    seq bigint NOT NULL,
    day integer NOT NULL,
    source integer NOT NULL,
    body bytea NOT NULL
);
CREATE TABLE public.refusals (
    n bigint NOT NULL,
    last_at bigint NOT NULL,
    kiosk text NOT NULL COLLATE pg_catalog."C",
    refusal text NOT NULL COLLATE pg_catalog."C"
)
WITH (fillfactor='50');
CREATE TABLE public.refused (
    id bigint NOT NULL,
    at bigint NOT NULL,
    kiosk text NOT NULL COLLATE pg_catalog."C",
    refusal text NOT NULL COLLATE pg_catalog."C",
    why text NOT NULL,
    payload bytea NOT NULL
);
ALTER TABLE public.refused ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.refused_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.schema_migration (
    version integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL
);
CREATE TABLE public.site (
    id text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL,
    zone text NOT NULL
);
CREATE TABLE public.source (
    epoch bigint NOT NULL,
    through bigint NOT NULL,
    heard bigint NOT NULL,
    created_at bigint NOT NULL,
    stored_at bigint NOT NULL,
    parent bigint DEFAULT 0 NOT NULL,
    parent_last bigint DEFAULT 0 NOT NULL,
    again bigint DEFAULT 0 NOT NULL,
    quarantined bigint DEFAULT 0 NOT NULL,
    id integer NOT NULL,
    rule integer NOT NULL,
    closed boolean DEFAULT false NOT NULL,
    kiosk text NOT NULL COLLATE pg_catalog."C",
    hash bytea NOT NULL,
    read_by text DEFAULT ''::text NOT NULL,
    state bytea NOT NULL
)
WITH (fillfactor='50');
ALTER TABLE public.source ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.source_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.term (
    n bigint NOT NULL,
    one integer NOT NULL,
    zoning bigint DEFAULT 0 NOT NULL,
    CONSTRAINT term_one_check CHECK ((one = 1))
)
WITH (fillfactor='20');
CREATE TABLE public.visit (
    seq bigint NOT NULL,
    boot bigint NOT NULL,
    since bigint NOT NULL,
    at bigint NOT NULL,
    within bigint NOT NULL,
    source integer NOT NULL,
    asked integer NOT NULL,
    presses integer NOT NULL,
    rating smallint NOT NULL,
    marks smallint NOT NULL,
    aside smallint NOT NULL
)
WITH (fillfactor='95');
ALTER TABLE ONLY public.record ATTACH PARTITION public.record_2026_03 FOR VALUES FROM (20513) TO (20544);
ALTER TABLE ONLY public.record ATTACH PARTITION public.record_2026_04 FOR VALUES FROM (20544) TO (20574);
INSERT INTO public.asked OVERRIDING SYSTEM VALUE VALUES (1, 'store-1', 'exit', 'visit', 'smiley3');
INSERT INTO public.asked OVERRIDING SYSTEM VALUE VALUES (2, 'store-2', 'till', 'visit', 'nps');
INSERT INTO public.cell VALUES (1972221, 1, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0);
INSERT INTO public.cell VALUES (1972222, 1, 5, 5, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 14, 0, 0, 0);
INSERT INTO public.cell VALUES (1972224, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0);
INSERT INTO public.checkpoint VALUES (23, 1, 20543, '\x1f1cecdf2192daa3838a0aae56f8d6b5');
INSERT INTO public.checkpoint VALUES (4, 2, 20544, '\x1ce2d1cc42f63fc7f16ac4e9cd0cb146');
INSERT INTO public.checkpoint VALUES (8, 2, 20544, '\x89b6c4b324a4624a6e9e3c1dfef694f7');
INSERT INTO public.checkpoint VALUES (5, 2, 20544, '\xd8acee0e02d749be2d6e9c1df20ebf63');
INSERT INTO public.comment VALUES (8, 2, '\x01020304', '\x54726f70206427617474656e7465200020c3a9');
INSERT INTO public.day VALUES (20544, 1, 7, 7, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0);
INSERT INTO public.day VALUES (20544, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0);
INSERT INTO public.day_zone VALUES (8796451768029108315, 'store-1', 'Europe/Paris');
INSERT INTO public.day_zone VALUES (-813521662050537901, 'store-2', 'UTC');
INSERT INTO public.gap VALUES (5, 5, 1775001780000, 2, 'pruned');
INSERT INTO public.kiosk VALUES (7, 1, 24, 0, 1775001780000, 1775001780000, true, 'store-1-exit', '1.0');
INSERT INTO public.life VALUES (1775000060000, 1775001480000, 'store-1');
INSERT INTO public.life VALUES (1775001960000, 1775001780000, 'store-2');
INSERT INTO public.meta VALUES ('store', '2d8a7646a684ba49');
INSERT INTO public.meta VALUES ('zone', 'UTC');
INSERT INTO public.published VALUES (1775001780000, 'store-1', '2026-04-01', '\x7b7d');
INSERT INTO public.quarantine VALUES (6, 1775001780000, 2, '\x5b227072657373222c312c393030303030302c2278222c38305d', 'record: rating is "\"x\"", want an integer');
INSERT INTO public.rebuild VALUES (1, 2, 1, 'TX5BRGWSJ5TFOVW76DZPR7OS37', 'done', '');
INSERT INTO public.record_2026_03 VALUES (1, 20543, 1, '\x5b2265706f6368222c312c302c22222c302c223030303030303030303030303030303030303030303030303030303030303030222c226e6577222c305d');
INSERT INTO public.record_2026_03 VALUES (2, 20543, 1, '\x5b22666978222c312c302c312c313737343939373838303030302c352c2273797374656d225d');
INSERT INTO public.record_2026_03 VALUES (3, 20543, 1, '\x5b22706c616e222c312c313830303030302c226535393638393966313134623531363234303233323564666233316664616137222c2273746f72652d31222c2265786974222c227669736974222c22736d696c657933225d');
INSERT INTO public.record_2026_03 VALUES (4, 20543, 1, '\x5b227072657373222c312c313830303030302c302c38305d');
INSERT INTO public.record_2026_03 VALUES (5, 20543, 1, '\x5b227072657373222c312c313832303030302c312c38305d');
INSERT INTO public.record_2026_03 VALUES (6, 20543, 1, '\x5b227072657373222c312c313834303030302c322c38305d');
INSERT INTO public.record_2026_03 VALUES (7, 20543, 1, '\x5b227072657373222c312c313836303030302c302c38305d');
INSERT INTO public.record_2026_03 VALUES (8, 20543, 1, '\x5b227072657373222c312c313838303030302c312c38305d');
INSERT INTO public.record_2026_03 VALUES (9, 20543, 1, '\x5b227072657373222c312c313930303030302c322c38305d');
INSERT INTO public.record_2026_03 VALUES (10, 20543, 1, '\x5b227072657373222c312c313932303030302c302c38305d');
INSERT INTO public.record_2026_03 VALUES (11, 20543, 1, '\x5b227072657373222c312c313934303030302c312c38305d');
INSERT INTO public.record_2026_03 VALUES (12, 20543, 1, '\x5b227072657373222c312c313936303030302c322c38305d');
INSERT INTO public.record_2026_03 VALUES (13, 20543, 1, '\x5b227072657373222c312c313938303030302c302c38305d');
INSERT INTO public.record_2026_03 VALUES (14, 20543, 1, '\x5b227072657373222c312c323030303030302c312c38305d');
INSERT INTO public.record_2026_03 VALUES (15, 20543, 1, '\x5b227072657373222c312c323032303030302c322c38305d');
INSERT INTO public.record_2026_03 VALUES (16, 20543, 1, '\x5b227072657373222c312c323034303030302c302c38305d');
INSERT INTO public.record_2026_03 VALUES (17, 20543, 1, '\x5b227072657373222c312c323036303030302c312c38305d');
INSERT INTO public.record_2026_03 VALUES (18, 20543, 1, '\x5b227072657373222c312c323038303030302c322c38305d');
INSERT INTO public.record_2026_03 VALUES (19, 20543, 1, '\x5b227072657373222c312c323130303030302c302c38305d');
INSERT INTO public.record_2026_03 VALUES (20, 20543, 1, '\x5b227072657373222c312c323132303030302c312c38305d');
INSERT INTO public.record_2026_03 VALUES (21, 20543, 1, '\x5b227072657373222c312c323134303030302c322c38305d');
INSERT INTO public.record_2026_03 VALUES (22, 20543, 1, '\x5b227072657373222c312c323136303030302c302c38305d');
INSERT INTO public.record_2026_03 VALUES (23, 20543, 1, '\x5b227072657373222c312c323138303030302c312c38305d');
INSERT INTO public.record_2026_04 VALUES (1, 20544, 2, '\x5b2265706f6368222c312c302c22222c302c223030303030303030303030303030303030303030303030303030303030303030222c226e6577222c305d');
INSERT INTO public.record_2026_04 VALUES (2, 20544, 2, '\x5b22666978222c312c302c312c313737353030313738303030302c352c2273797374656d225d');
INSERT INTO public.record_2026_04 VALUES (3, 20544, 2, '\x5b22706c616e222c312c302c226136346539386666313861383330303965313565663562663731343732326266222c2273746f72652d32222c2274696c6c222c227669736974222c226e7073225d');
INSERT INTO public.record_2026_04 VALUES (4, 20544, 2, '\x5b227072657373222c312c302c392c38305d');
INSERT INTO public.record_2026_04 VALUES (7, 20544, 2, '\x5b227072657373222c312c3138303030302c302c38305d');
INSERT INTO public.record_2026_04 VALUES (8, 20544, 2, '\x5b22636f6d6d656e74222c312c3234303030302c372c2236346630393238316563313733323663643435623032386232626236373733336162656662613465363235653862383035616430346633323133313861333332225d');
INSERT INTO public.refusals VALUES (1, 1775001780000, 'stranger', 'unreadable');
INSERT INTO public.refused OVERRIDING SYSTEM VALUE VALUES (1, 1775001780000, 'stranger', 'unreadable', 'it is no JSON', '\x00ff');
INSERT INTO public.schema_migration VALUES (1, '001_store', '81160a737326c49668286255797d060e8721b785256352c5f8352c695dbe6a5d');
INSERT INTO public.schema_migration VALUES (2, '002_days', 'f212f94ce8ddeabac5c1135bdd3484a97eba45ff4a5fa55722cea34c2c4e292a');
INSERT INTO public.site VALUES ('store-1', 'Zoé''s', 'Europe/Paris');
INSERT INTO public.source OVERRIDING SYSTEM VALUE VALUES (1, 23, 24, 1775001480000, 1775001780000, 0, 0, 0, 0, 1, 1, false, 'store-1-exit', '\x1f1cecdf2192daa3838a0aae56f8d6b5', '1.0', '\x7b2261736b6564223a312c22626f6f7473223a5b5b312c302c323138303030302c313737343939373838303030302c352c375d5d2c227461696c223a5b5b32322c312c323136303030302c302c302c312c302c302c313737353030303034303030302c355d2c5b32332c312c323138303030302c302c312c312c302c302c313737353030303036303030302c355d5d2c2274617073223a5b5b5d2c5b5d5d2c2261736b73223a5b5b2273746f72652d31222c2265786974222c227669736974222c22736d696c657933225d5d7d');
INSERT INTO public.source OVERRIDING SYSTEM VALUE VALUES (1, 8, 9, 1775001780000, 1775001780000, 0, 0, 0, 26, 2, 1, false, 'store-2-till', '\x89b6c4b324a4624a6e9e3c1dfef694f7', '1.0', '\x7b2261736b6564223a312c22626f6f7473223a5b5b312c302c3234303030302c313737353030313738303030302c352c375d5d2c227461696c223a5b5b372c312c3138303030302c302c302c312c302c302c313737353030313936303030302c355d5d2c2274617073223a5b5b5d5d2c2261736b73223a5b5b2273746f72652d32222c2274696c6c222c227669736974222c226e7073225d5d7d');
INSERT INTO public.term VALUES (2, 1, 4);
INSERT INTO public.visit VALUES (4, 1, 1800000, 1774999680000, 5, 1, 1, 1, 0, 0, 0);
INSERT INTO public.visit VALUES (5, 1, 1820000, 1774999700000, 5, 1, 1, 1, 1, 0, 0);
INSERT INTO public.visit VALUES (6, 1, 1840000, 1774999720000, 5, 1, 1, 1, 2, 0, 0);
INSERT INTO public.visit VALUES (7, 1, 1860000, 1774999740000, 5, 1, 1, 1, 0, 0, 0);
INSERT INTO public.visit VALUES (8, 1, 1880000, 1774999760000, 5, 1, 1, 1, 1, 0, 0);
INSERT INTO public.visit VALUES (9, 1, 1900000, 1774999780000, 5, 1, 1, 1, 2, 0, 0);
INSERT INTO public.visit VALUES (10, 1, 1920000, 1774999800000, 5, 1, 1, 1, 0, 0, 0);
INSERT INTO public.visit VALUES (11, 1, 1940000, 1774999820000, 5, 1, 1, 1, 1, 0, 0);
INSERT INTO public.visit VALUES (12, 1, 1960000, 1774999840000, 5, 1, 1, 1, 2, 0, 0);
INSERT INTO public.visit VALUES (13, 1, 1980000, 1774999860000, 5, 1, 1, 1, 0, 0, 0);
INSERT INTO public.visit VALUES (14, 1, 2000000, 1774999880000, 5, 1, 1, 1, 1, 0, 0);
INSERT INTO public.visit VALUES (15, 1, 2020000, 1774999900000, 5, 1, 1, 1, 2, 0, 0);
INSERT INTO public.visit VALUES (16, 1, 2040000, 1774999920000, 5, 1, 1, 1, 0, 0, 0);
INSERT INTO public.visit VALUES (17, 1, 2060000, 1774999940000, 5, 1, 1, 1, 1, 0, 0);
INSERT INTO public.visit VALUES (18, 1, 2080000, 1774999960000, 5, 1, 1, 1, 2, 0, 0);
INSERT INTO public.visit VALUES (19, 1, 2100000, 1774999980000, 5, 1, 1, 1, 0, 0, 0);
INSERT INTO public.visit VALUES (20, 1, 2120000, 1775000000000, 5, 1, 1, 1, 1, 0, 0);
INSERT INTO public.visit VALUES (21, 1, 2140000, 1775000020000, 5, 1, 1, 1, 2, 0, 0);
INSERT INTO public.visit VALUES (22, 1, 2160000, 1775000040000, 5, 1, 1, 1, 0, 0, 0);
INSERT INTO public.visit VALUES (23, 1, 2180000, 1775000060000, 5, 1, 1, 1, 1, 0, 0);
INSERT INTO public.visit VALUES (4, 1, 0, 1775001780000, 5, 2, 2, 1, 9, 0, 0);
INSERT INTO public.visit VALUES (7, 1, 180000, 1775001960000, 5, 2, 2, 1, 0, 0, 0);
SELECT pg_catalog.setval('public.asked_id_seq', 2, true);
SELECT pg_catalog.setval('public.refused_id_seq', 1, true);
SELECT pg_catalog.setval('public.source_id_seq', 2, true);
ALTER TABLE ONLY public.asked
    ADD CONSTRAINT asked_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.asked
    ADD CONSTRAINT asked_site_touchpoint_survey_scale_key UNIQUE (site, touchpoint, survey, scale);
ALTER TABLE ONLY public.cell
    ADD CONSTRAINT cell_pkey PRIMARY KEY (asked, bucket);
ALTER TABLE ONLY public.checkpoint
    ADD CONSTRAINT checkpoint_pkey PRIMARY KEY (source, seq);
ALTER TABLE ONLY public.comment
    ADD CONSTRAINT comment_pkey PRIMARY KEY (source, seq);
ALTER TABLE ONLY public.day
    ADD CONSTRAINT day_pkey PRIMARY KEY (day, asked);
ALTER TABLE ONLY public.day_zone
    ADD CONSTRAINT day_zone_pkey PRIMARY KEY (site);
ALTER TABLE ONLY public.gap
    ADD CONSTRAINT gap_pkey PRIMARY KEY (source, first);
ALTER TABLE ONLY public.kiosk
    ADD CONSTRAINT kiosk_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.life
    ADD CONSTRAINT life_pkey PRIMARY KEY (site);
ALTER TABLE ONLY public.meta
    ADD CONSTRAINT meta_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.published
    ADD CONSTRAINT published_pkey PRIMARY KEY (site, day);
ALTER TABLE ONLY public.quarantine
    ADD CONSTRAINT quarantine_pkey PRIMARY KEY (source, seq);
ALTER TABLE ONLY public.rebuild
    ADD CONSTRAINT rebuild_pkey PRIMARY KEY (one);
ALTER TABLE ONLY public.record
    ADD CONSTRAINT record_pkey PRIMARY KEY (day, source, seq);
ALTER TABLE ONLY public.record_2026_03
    ADD CONSTRAINT record_2026_03_pkey PRIMARY KEY (day, source, seq);
ALTER TABLE ONLY public.record_2026_04
    ADD CONSTRAINT record_2026_04_pkey PRIMARY KEY (day, source, seq);
ALTER TABLE ONLY public.refusals
    ADD CONSTRAINT refusals_pkey PRIMARY KEY (kiosk, refusal);
ALTER TABLE ONLY public.refused
    ADD CONSTRAINT refused_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.schema_migration
    ADD CONSTRAINT schema_migration_pkey PRIMARY KEY (version);
ALTER TABLE ONLY public.site
    ADD CONSTRAINT site_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.source
    ADD CONSTRAINT source_kiosk_epoch_key UNIQUE (kiosk, epoch);
ALTER TABLE ONLY public.source
    ADD CONSTRAINT source_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.term
    ADD CONSTRAINT term_pkey PRIMARY KEY (one);
ALTER TABLE ONLY public.visit
    ADD CONSTRAINT visit_pkey PRIMARY KEY (source, seq);
CREATE INDEX refused_kiosk ON public.refused USING btree (kiosk);
ALTER INDEX public.record_pkey ATTACH PARTITION public.record_2026_03_pkey;
ALTER INDEX public.record_pkey ATTACH PARTITION public.record_2026_04_pkey;
